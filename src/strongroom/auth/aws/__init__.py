"""The `aws` auth method: a signed STS request for a workload in AWS."""

from strongroom.auth.aws.method import Aws

__all__ = ["Aws"]
