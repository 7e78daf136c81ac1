"""Patients, lesions and ISIC numbers hold photos together; other numbers mean something within their set only."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from epiluma.datasets import groups
from epiluma.datasets.record import DataError, Sample
from tests.datasets.manifests import sample


def together(a: Sample, b: Sample) -> bool:
    return len(groups.members([a, b], [])) == 1


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        (sample("a", lesion="12"), sample("b", lesion="12"), True),
        (sample("a", lesion="12"), sample("b", lesion="13"), False),
        (sample("a"), sample("b"), False),
        (sample("a", lesion="12"), sample("b", lesion="12", source="two"), False),
        (sample("a", lesion="HAM_0000118"), sample("b", lesion="HAM_0000118", source="two"), True),
        (sample("a", lesion="BCN_0000305"), sample("b", lesion="BCN_0000305", source="two"), True),
        (sample("a", patient="PAT_46"), sample("b", patient="PAT_46"), True),
        (sample("a", patient="PAT_46"), sample("b", patient="PAT_46", source="two"), False),
        (sample("a", patient="IP_7279968"), sample("b", patient="IP_7279968", source="two"), True),
        (sample("a", lesion="12"), sample("b", patient="12"), False),
        (sample("a", patient="1", lesion="1"), sample("b", patient="1", lesion="2"), True),
        (sample("ISIC_0024306"), sample("ISIC_0024306", source="two"), True),
        (sample("ISIC_0000019"), sample("ISIC_0000019_downsampled", source="two"), True),
        (sample("ISIC_0024306"), sample("ISIC_0024307", source="two"), False),
        (sample("nevus/ISIC_0000019.jpg"), sample("ISIC_0000019", source="two"), True),
        (sample("ham10000/ISIC_0000019"), sample("ISIC_0000019_downsampled", source="two"), True),
        (sample("nevus/ISIC_0000019_v2.jpg"), sample("ISIC_0000019", source="two"), False),
        (sample("ISIC_0000019/1.jpg"), sample("ISIC_0000019", source="two"), False),
        (sample("1"), sample("1", source="two"), False),
    ],
)
def test_what_belongs_together(a: Sample, b: Sample, expected: bool) -> None:
    assert together(a, b) is expected
    assert together(b, a) is expected


def test_photos_hang_together_through_others() -> None:
    chain = [sample("a", patient="p"), sample("b", patient="p", lesion="l"), sample("c", lesion="l"), sample("d")]
    assert groups.members(chain, []) == [[0, 1, 2], [3]]
    assert groups.members(chain, [(3, 2)]) == [[0, 1, 2, 3]]


def test_a_pair_of_another_set_is_refused() -> None:
    with pytest.raises(DataError, match=r"pair \(0, 1\) is not of this set: it has 1 images"):
        groups.members([sample("a")], [(0, 1)])


@pytest.mark.parametrize(
    ("diagnosis", "malignant", "expected"),
    [("MEL", None, "MEL"), ("", True, "malignant"), ("", False, "benign"), ("", None, "")],
)
def test_the_class_is_what_the_publisher_tells(diagnosis: str, malignant: bool | None, expected: str) -> None:
    assert groups.class_of(sample("a", diagnosis=diagnosis, malignant=malignant)) == expected


@settings(max_examples=80, deadline=None)
@given(data=st.data(), n=st.integers(0, 30))
def test_clusters_are_the_connected_components(data: st.DataObject, n: int) -> None:
    item = st.integers(0, max(n - 1, 0))
    joined = data.draw(st.lists(st.tuples(item, item), max_size=40)) if n else []
    found = groups.clusters(n, iter(joined))
    graph = coo_matrix((np.ones(len(joined)), ([i for i, _ in joined], [j for _, j in joined])), shape=(n, n))
    labels = connected_components(graph, directed=False)[1] if n else np.array([], int)
    smallest = {label: int(np.flatnonzero(labels == label)[0]) for label in set(labels.tolist())}
    assert found.tolist() == [smallest[label] for label in labels.tolist()]
