"""Compares strongroom with OpenBao on one machine; `make bench`."""
