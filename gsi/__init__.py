"""Grid identity: proxy certificates, trust in chains, VOMS attributes, TLS contexts, a test CA.

========================  =================================================================
:mod:`gsi.credential`     a certificate with its key and chain; proxy files
:mod:`gsi.proxy`          making proxies and signing delegation requests (RFC 3820, GT3, GT2)
:mod:`gsi.trust`          the trust directory: who is at the other end, and is the chain good
:mod:`gsi.identity`       the answer to that question
:mod:`gsi.voms`           VOMS attribute certificates: reading, checking, issuing
:mod:`gsi.tls`            TLS for servers (any proxy) and clients, and what a TLS failure means
:mod:`gsi.ca`             a small CA for tests, demonstrations and one-machine nodes
:mod:`gsi.errors`         what can be wrong with a chain
========================  =================================================================
"""
