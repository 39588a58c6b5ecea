"""Takes the pictures of the documentation from the demo."""

import pathlib
import sys

from stand import Visit, demo

folder = pathlib.Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
for name, path, height, settings in (
    ("page-tokens", "/", 1320, {}),
    ("page-tokens-dark", "/", 1320, {"color_scheme": "dark"}),
    ("page-token", "/tokens/kpis-missing-run-scope", 1000, {}),
):
    with Visit(demo(), width=1440, height=height, **settings) as visit:
        picture = folder / f"{name}.png"
        visit.open(path).screenshot(path=picture)
        size = picture.stat().st_size
        assert size < 300_000, f"{picture} has {size} bytes"
        print(f"{picture}: {size // 1024} KiB")
