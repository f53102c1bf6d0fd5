"""Add up what the test runners said: `N passed, N failed`, and the exit status.

Arguments: the number of whole steps that failed, then result files: meson's
testlog.json (one object a line) and pytest's JUnit XML.
"""
import json
import re
import sys
import xml.etree.ElementTree as ET


def of_meson(path):
    """cmocka says each of its tests; other programs count as one."""
    passed = failed = 0
    for line in open(path, encoding="utf-8"):
        test = json.loads(line)
        out = test.get("stdout", "") + test.get("stderr", "")
        ok = len(re.findall(r"^\[       OK \]", out, re.M))
        bad = len(set(re.findall(r"^\[  (?:FAILED|ERROR)\s*\] (\S+)", out, re.M)))
        fine = test["result"] in ("OK", "SKIP", "EXPECTEDFAIL")
        passed += ok or (1 if fine else 0)
        failed += bad or (0 if fine else 1)
    return passed, failed, 0


def of_pytest(path):
    passed = failed = skipped = 0
    for suite in ET.parse(path).getroot().iter("testsuite"):
        bad = int(suite.get("failures")) + int(suite.get("errors"))
        skip = int(suite.get("skipped"))
        failed += bad
        skipped += skip
        passed += int(suite.get("tests")) - bad - skip
    return passed, failed, skipped


def main():
    total = [0, int(sys.argv[1]), 0]
    for path in sys.argv[2:]:
        counts = of_meson(path) if path.endswith(".json") else of_pytest(path)
        total = [a + b for a, b in zip(total, counts)]
    passed, failed, skipped = total
    if passed == 0 and failed == 0:
        failed = 1      # nothing ran: that is no success
    print(f"\n{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    sys.exit(1 if failed else 0)


main()
