import pytest

from .tally import Tally, add, check

EMPTY = "before\n<!-- simulation: begin -->\n<!-- simulation: end -->\nafter\n"


def test_rows_are_kept_and_added_up(tmp_path):
    path = tmp_path / "proof.md"
    path.write_text(EMPTY)
    add(1000, 1999, Tally(1000, 5000, 0, 1, 2), path)
    add(0, 999, Tally(1000, 6000, 0, 0, 0), path)
    lines = path.read_text().splitlines()
    assert lines[4:7] == [
        "| 0 to 999 | 1000 | 6000 | 0 | 0 | 0 |",
        "| 1000 to 1999 | 1000 | 5000 | 0 | 1 | 2 |",
        "| **total** | 2000 | 11000 | 0 | 1 | 2 |",
    ]
    assert (lines[0], lines[-1]) == ("before", "after")


def test_the_same_seeds_again_replace_their_row(tmp_path):
    path = tmp_path / "proof.md"
    path.write_text(EMPTY)
    add(0, 9, Tally(10, 50, 1, 0, 0), path)
    add(0, 9, Tally(10, 50, 0, 0, 0), path)
    assert "| **total** | 10 | 50 | 0 | 0 | 0 |" in path.read_text()


def test_no_seed_is_counted_twice(tmp_path):
    path = tmp_path / "proof.md"
    path.write_text(EMPTY)
    add(0, 9, Tally(10, 50, 0, 0, 0), path)
    with pytest.raises(ValueError, match="choose others"):
        add(5, 14, Tally(10, 50, 0, 0, 0), path)


def test_seeds_that_could_not_be_counted_are_refused_before_they_are_simulated(tmp_path):
    path = tmp_path / "proof.md"
    path.write_text(EMPTY)
    add(0, 9, Tally(10, 50, 0, 0, 0), path)
    check(0, 9, path)
    check(10, 19, path)
    with pytest.raises(ValueError, match="choose others"):
        check(9, 20, path)
