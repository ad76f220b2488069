"""Control tests: a file each. `CONTROLS` is all of them, by their ids of the catalogue."""

from strongroom.controls import (
    access_matrix,
    broad_grants,
    deny_by_default,
    encrypted_storage,
    environment_isolation,
    environment_probe,
    log_counters,
    log_fields,
    log_retention,
    log_sequence,
    plaintext_canary,
    root_tokens,
    tls_floor,
    token_lifetimes,
)

CONTROLS = (
    encrypted_storage.CONTROL,
    plaintext_canary.CONTROL,
    tls_floor.CONTROL,
    token_lifetimes.CONTROL,
    root_tokens.CONTROL,
    environment_isolation.CONTROL,
    environment_probe.CONTROL,
    access_matrix.CONTROL,
    deny_by_default.CONTROL,
    broad_grants.CONTROL,
    log_sequence.CONTROL,
    log_counters.CONTROL,
    log_fields.CONTROL,
    log_retention.CONTROL,
)
