"""One of the processes of `shortlist serve --workers`: python -m shortlist.cli.worker FILE FOLDER PLACE."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

from shortlist.cli.project import Project
from shortlist.cli.serve import recent_users


def main() -> None:
    """Serve what the supervisor hands out."""
    from shortlist.online.worker import work
    from shortlist.studio.pages import build_pages

    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    declaration, data, place = sys.argv[1:]
    project = Project.load(Path(declaration), Path(data))
    pages = build_pages(project.app, recent_users(project), is_live=False)
    work(project.app, project.data, place, pages)


if __name__ == "__main__":
    main()
