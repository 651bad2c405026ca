"""Delegation: the ports that the WMS and the computing element offer, and the store of delegated proxies."""
