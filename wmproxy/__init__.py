"""The WMProxy service: a thin port module, and behind it registration, start, control and sandboxes."""
