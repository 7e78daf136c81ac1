"""Images of the ISIC Archive by query, fetched into a folder that the adapter `isic-archive` reads.

The folder: `images/<isic_id>.jpg`, `metadata.csv` (a row per image with its licence and attribution, in the columns
of the archive's own export), `query.json`, and `fetched.jsonl`, a journal with a line per image that was decided.
An image is renamed into place when it is whole and written into the journal after that, so a fetch that was killed
goes on where it was: it searches again (a request per hundred images) and downloads only what is not there.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from epiluma.datasets.cache import Progress
from epiluma.datasets.isic_folder import Entry, Folder
from epiluma.datasets.record import DataError, Omitted
from epiluma.datasets.sources import isic
from epiluma.isic_api import API, IMAGE_ID, Archive, ArchiveError, Found, Refused, Unusable, check_photo

if TYPE_CHECKING:
    import httpx

ATTEMPTS = 8
"""How often a busy server is asked for one thing; the waits between add up to a minute."""


class Fetched(NamedTuple):
    """What a fetch did: every image that the search gave is saved, kept or omitted."""

    saved: int
    """Images downloaded by this call."""
    kept: int
    """Images that were there before."""
    omitted: list[Omitted]
    """Images left out, by this call or an earlier one, in id order."""


def fetch(
    query: str,
    folder: Path,
    *,
    limit: int | None,
    api: str = API,
    progress: Progress | None = None,
    client: httpx.Client | None = None,
) -> Fetched:
    """Bring `folder` to the images that the archive gives for `query`, at most `limit` of them.

    `query` is in the archive's own language (`diagnosis_3:"Nevus" AND age_approx:[20 TO 40]`). Called again with
    the same query it goes on where it was, adds what is new, and brings the rows up to date; what is there is not
    downloaded again. `progress` is called with images there and images wanted. Raises DataError when the folder
    holds something else, when nothing is found, or when the archive cannot be used: then what was saved stays, and
    calling again goes on.
    """
    if limit is not None and limit < 1:
        raise DataError(f"limit must be at least 1, not {limit}")
    target = Folder(Path(folder), query=query, api=api.rstrip("/"))
    run = _Run(target, limit, progress)
    try:
        if not run.enough:
            with Archive(api, client, attempts=ATTEMPTS) as archive:
                run.all(archive, query)
    except ArchiveError as error:
        raise DataError(
            f"{folder}: {error}; {len(target.images):,} images are there, and the same command later goes on from them"
        ) from error
    if not target.entries and not run.refused:
        raise DataError(f"{api} has no image for {query!r}")
    target.finish(datetime.now(UTC).date())
    omitted = {entry.isic_id: entry for entry in (*target.entries.values(), *run.refused) if entry.reason}
    reasons = [_omitted(target.api, omitted[isic_id]) for isic_id in sorted(omitted)]
    return Fetched(run.saved, len(target.images) - run.saved, reasons)


class _Run:
    """One pass over the search results."""

    def __init__(self, folder: Folder, limit: int | None, progress: Progress | None) -> None:
        self.folder = folder
        self.limit = limit
        self.progress = progress
        self.saved = 0
        self.refused: list[Entry] = []
        """Files that the server did not give today; not in the journal, so that the next call asks again."""

    @property
    def enough(self) -> bool:
        return self.limit is not None and len(self.folder.images) >= self.limit

    def all(self, archive: Archive, query: str) -> None:
        """Decide every image until there are enough."""
        met = set()
        for page in archive.pages(query):
            self.folder.matched(page.count)
            for found in page.results:
                if self.enough:
                    return
                if found.isic_id not in met:  # an image published meanwhile moves the others to the next page
                    met.add(found.isic_id)
                    self._one(archive, found)
                    self._report()

    def _report(self) -> None:
        if self.progress:
            there = len(self.folder.images)
            matching = max(there, self.folder.query.count or 0)
            self.progress(there, matching if self.limit is None else min(matching, self.limit))

    def _one(self, archive: Archive, found: Found) -> None:
        """Bring one image and its row into the folder, or note why not."""
        earlier = self.folder.entries.get(found.isic_id)
        try:
            row = _row(found)
            if earlier and earlier.kind == "broken":
                return  # its bytes were no photo; they are not fetched again to find the same
            if not self.folder.holds(found.isic_id):
                data = archive.download(found.files.full.url)
                check_photo(data)
                self.folder.save(found.isic_id, data)
                self.saved += 1
            entry = Entry(isic_id=found.isic_id, row=row)
        except Refused as reason:
            self.refused.append(Entry(isic_id=found.isic_id, reason=str(reason), kind="missing"))
            return
        except _Unlicensed as reason:
            self.folder.drop(found.isic_id)
            entry = Entry(isic_id=found.isic_id, reason=str(reason), kind="out of scope")
        except Unusable as reason:
            entry = Entry(isic_id=found.isic_id, reason=str(reason), kind="broken")
        self.folder.note(entry)


class _Unlicensed(Unusable):
    """An image that may not be used."""


def _row(found: Found) -> dict[str, str]:
    """The facts of one image by column, as the archive's own export flattens them. Raises Unusable."""
    if IMAGE_ID.fullmatch(found.isic_id) is None:
        raise Unusable("its id is not one of the archive's")
    try:
        isic.licence_of(found.copyright_license)
    except DataError as reason:
        raise _Unlicensed(str(reason)) from reason
    facts: dict[str, Any] = {}
    for group, value in found.metadata.items():
        facts.update(value if isinstance(value, dict) else {group: value})
    return {
        **{name: str(value) for name, value in sorted(facts.items()) if value not in (None, "")},
        "isic_id": found.isic_id,
        "attribution": found.attribution or "",
        "copyright_license": found.copyright_license,
    }


def _omitted(api: str, entry: Entry) -> Omitted:
    where = f"{api}/images/{entry.isic_id}/"
    return Omitted(where=where, image_id=entry.isic_id, kind=entry.kind or "missing", reason=entry.reason)
