"""The other end of a differential test: evaluates expressions by the ClassAd library of HTCondor (module classad2).

Run as a program of its own, because the wheel brings an OpenSSL of its own into its process.  It reads one JSON object
for each line, ``{"my": ad, "target": ad, "expressions": [text, …]}``, and answers each with a line: a JSON list of what
the expressions are (:func:`encoded`).  An expression that does not parse is ``["syntax"]``.
"""

from __future__ import annotations

import json
import sys
from datetime import datetime


def encoded(value: object, classad2: object, scopes: tuple[object, object]) -> list[object]:
    """A value with its type, as JSON has it; an ad by its kind alone."""
    if isinstance(value, classad2.ExprTree):  # an item of a list, which is evaluated at need
        return encoded(value.eval(*scopes), classad2, scopes)
    if isinstance(value, classad2.Value):
        return ["undefined"] if value == classad2.Value.Undefined else ["error"]
    if isinstance(value, bool):
        return ["boolean", value]
    if isinstance(value, int):
        return ["integer", str(value)]
    if isinstance(value, float):
        return ["real", "nan" if value != value else value.hex()]
    if isinstance(value, str):
        return ["string", value]
    if isinstance(value, datetime):
        return ["time", str(int(value.timestamp()))]
    if isinstance(value, list):
        return ["list", [encoded(item, classad2, scopes) for item in value]]
    return ["ad"]


def main() -> None:
    """Answer until the input ends."""
    import classad2
    import htcondor2  # noqa: F401  (it adds the functions of string lists to the language)

    for line in sys.stdin:
        batch = json.loads(line)
        my, target = classad2.ClassAd(batch["my"]), classad2.ClassAd(batch["target"])
        answers = []
        for text in batch["expressions"]:
            try:
                expression = classad2.ExprTree(text)
            except classad2.ClassAdException:
                answers.append(["syntax"])
                continue
            try:
                answers.append(encoded(expression.eval(my, target), classad2, (my, target)))
            except (classad2.ClassAdException, OverflowError, ValueError) as error:
                answers.append(["refused", str(error)])
        print(json.dumps(answers), flush=True)


if __name__ == "__main__":
    main()
