"""The documentation as a site: every page is in its navigation, and no link of it is broken."""

import os
from pathlib import Path

import pytest
import yaml

REPOSITORY = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built as `make docs` builds it: a warning is an error."""
    os.environ.setdefault("NO_MKDOCS_2_WARNING", "1")
    from mkdocs.commands.build import build
    from mkdocs.config import load_config

    folder = tmp_path_factory.mktemp("site")
    build(load_config(str(REPOSITORY / "mkdocs.yml"), site_dir=str(folder)))
    return folder


def test_every_page_of_docs_becomes_a_page_of_the_site(site: Path) -> None:
    pages = (REPOSITORY / "docs").rglob("*.md")
    for page in pages:
        name = page.relative_to(REPOSITORY / "docs").with_suffix(".html")
        assert (site / name).is_file(), name


def test_a_page_is_shown_without_a_network(site: Path) -> None:
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        for fetched in ('<script src="http', '<link rel="stylesheet" href="http', '<img src="http'):
            assert fetched not in text, page


def test_a_broken_link_stops_the_build(tmp_path: Path) -> None:
    from mkdocs.commands.build import build
    from mkdocs.config import load_config
    from mkdocs.exceptions import Abort

    settings = yaml.load((REPOSITORY / "mkdocs.yml").read_text(encoding="utf-8"), yaml.BaseLoader)
    kept = {"site_name": "x", "validation": settings["validation"], "plugins": []}
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "index.md").write_text("[gone](nowhere.md)\n")
    (tmp_path / "mkdocs.yml").write_text(yaml.safe_dump(kept))
    config = load_config(
        str(tmp_path / "mkdocs.yml"),
        strict=settings["strict"] == "true",
        site_dir=str(tmp_path / "site"),
    )
    with pytest.raises(Abort):
        build(config)
