"""Writes the dashboards. Edit these files, not the JSON.

    python3 grafana/generate           write grafana/overview.json and grafana/supervision.json
    python3 grafana/generate --check   fail if they are not what this would write
"""

import json
import pathlib
import sys

import overview
import supervision

FOLDER = pathlib.Path(__file__).resolve().parent.parent


def main():
    if sys.argv[1:] not in ([], ["--check"]):
        sys.exit(__doc__.strip())
    stale = []
    for name, build in [("overview.json", overview.build), ("supervision.json", supervision.build)]:
        text = json.dumps(build(), indent=2, ensure_ascii=False) + "\n"
        file = FOLDER / name
        if not sys.argv[1:]:
            file.write_text(text, encoding="utf-8")
        elif not file.is_file() or file.read_text(encoding="utf-8") != text:
            stale.append(name)
    if stale:
        sys.exit(f"{', '.join(stale)}: not what grafana/generate writes; run python3 grafana/generate")


main()
