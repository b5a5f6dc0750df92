"""Runs tests of the unmodified Tempest by their names, and says of each, as one JSON line, how it went.

Each line is {"test": NAME, "outcome": "passed" | "skipped" | "failed", "detail": TEXT}; the detail
of a skipped test is its reason. A class or module that cannot be set up stands for all its tests.
"""

import json
import sys
import unittest


class Report(unittest.TestResult):
    def tell(self, test, outcome, detail=""):
        line = {"test": test.id().split("[")[0], "outcome": outcome, "detail": detail}
        print(json.dumps(line), flush=True)

    def addSuccess(self, test):
        self.tell(test, "passed")

    def addSkip(self, test, reason=None, details=None):
        self.tell(test, "skipped", reason or details["reason"].as_text())

    def addError(self, test, err=None, details=None):
        if details is not None:
            texts = {name: content.as_text() for name, content in details.items()}
            self.tell(test, "failed", "\n".join(texts.values()))
        else:
            self.tell(test, "failed", self._exc_info_to_string(err, test))

    addFailure = addError


unittest.defaultTestLoader.loadTestsFromNames(sys.argv[1:]).run(Report())
