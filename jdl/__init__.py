"""The Job Description Language: parser, tree, evaluator, attribute rules.

Pure: no file, no clock, no random source; time and random numbers are passed in.  Import the nouns from their
modules: :mod:`jdl.parser`, :mod:`jdl.tree`, :mod:`jdl.evaluate`, :mod:`jdl.check`, :mod:`jdl.complete`,
:mod:`jdl.job`, :mod:`jdl.sandbox`, :mod:`jdl.client`.
"""
