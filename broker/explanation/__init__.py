"""Why a job matches where it does and nowhere else, and what would help.  Pure.

==================  ==============================================================================
module              what it knows
==================  ==============================================================================
``clause``          the terms of the Requirements
``demand``          what one term wants: a comparison, a member of a list, a pattern
``examination``     which computing element fails which condition, as masks
``elements``        the computing elements behind the records, and their access rules
``vocabulary``      names and values that the ads of a snapshot have
``likeness``        which words are like a given one
``mistakes``        what can only be meant otherwise: names, types, values
``findings``        how each condition fared, and its near misses
``relaxation``      a term made easier
``changes``         the smallest changes that give a match, each tried out
``admission``       who refuses the user, and whom they would admit
``submitto``        jobs whose user has chosen the computing element
``report``          all of it: :func:`explain`
``lines``           the same as sentences
``wording``         short and harmless texts
==================  ==============================================================================
"""

from broker.explanation.lines import lines, reason, same_reason
from broker.explanation.report import explain
from broker.explanation.vocabulary import prepare

__all__ = ["explain", "lines", "prepare", "reason", "same_reason"]
