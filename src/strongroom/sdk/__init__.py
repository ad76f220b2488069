"""The contracts of the plugin families, as Protocols and frozen types; no behaviour."""
