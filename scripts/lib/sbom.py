"""Keeps of a CycloneDX bill what `cargo tree`, on standard input, says is built in; fails where the bill lacks
some of that. Takes out where the bill was made."""

import json
import os
import sys

bill = json.loads(open(sys.argv[1]).read().replace(f"file://{os.getcwd()}", "file://."))
built = {tuple(line.split()[:2]) for line in sys.stdin if line.strip()}
own = bill["metadata"]["component"]
named = lambda component: (component["name"], "v" + component["version"])

missing = built - {named(component) for component in bill["components"]} - {named(own)}
if missing:
    sys.exit(f"built in and not in the bill: {sorted(missing)}")
bill["components"] = [component for component in bill["components"] if named(component) in built]
kept = {component["bom-ref"] for component in bill["components"]} | {own["bom-ref"]}
bill["dependencies"] = [
    {**entry, "dependsOn": [ref for ref in entry.get("dependsOn", []) if ref in kept]}
    for entry in bill["dependencies"]
    if entry["ref"] in kept
]
json.dump(bill, sys.stdout, indent=2)
