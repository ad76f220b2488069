"""The `file` sink: the log's entries as lines of a local file."""

from strongroom.sinks.file.lines import decode_line, encode_line
from strongroom.sinks.file.sink import Disk, FileSink

__all__ = ["Disk", "FileSink", "decode_line", "encode_line"]
