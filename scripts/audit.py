"""Look the locked dependencies up among known vulnerabilities; say how many could not be looked up."""

import json
import subprocess
import sys


def main(locks: list[str]) -> int:
    """0 when nothing is known against the locked versions; what could not be looked up is printed."""
    worst = 0
    for lock in locks:
        command = [sys.executable, "-m", "pip_audit", "--disable-pip", "--require-hashes", "-f", "json", "-r", lock]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        try:
            found = json.loads(done.stdout)["dependencies"]
        except (json.JSONDecodeError, KeyError):
            reason = done.stderr.strip().splitlines()[-1:] or ["no answer"]
            print(f"audit: {lock}: NOT CHECKED, the vulnerability data is out of reach ({reason[0][:120]})")
            continue
        checked = [package for package in found if "skip_reason" not in package]
        for package in checked:
            for flaw in package["vulns"]:
                worst = 1
                name = f"{package['name']} {package['version']}"
                print(f"audit: {lock}: {name}: {flaw['id']}, fixed in {flaw['fix_versions']}")
        print(f"audit: {lock}: {len(checked)} of {len(found)} packages could be looked up")
    return worst


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
