"""Pictures from folders and archives: what is read, what is refused, and the file they become."""

from __future__ import annotations

import errno
import io
import os
import tarfile
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from train.data import DatasetUnavailable, files
from train.data.files import decoded, pictures

SHAPE = (3, 8, 8)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("LEBM_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def png(value: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), (value, value, value)).save(buffer, "PNG")
    return buffer.getvalue()


def archive(path: Path, members: dict[str, bytes], mode: str = "w:xz") -> Path:
    with tarfile.open(path, mode) as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def folder(path: Path, members: dict[str, bytes]) -> Path:
    for name, content in members.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return path


PICTURES = {f"{part}/{i:03d}.png": png(i) for part in ("train", "test") for i in range(5)}


def by_folder(name: str):
    return {"train": "train", "test": "test"}.get(name.split("/")[0])


def load(source: Path) -> tuple[torch.Tensor, torch.Tensor, int]:
    return decoded(source, by_folder, SHAPE, recipe="tiny")


def refused(source: Path) -> str:
    with pytest.raises(DatasetUnavailable) as caught:
        load(source)
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:xz"])
def test_an_archive_and_a_folder_give_the_same_images(mode, tmp_path):
    (train, test, skipped), (other, *_) = (
        load(archive(tmp_path / "all.tar", PICTURES, mode)),
        load(folder(tmp_path / "all", PICTURES)),
    )
    assert (train.shape, test.shape, skipped) == ((5, *SHAPE), (5, *SHAPE), 0)
    assert train.dtype == torch.uint8
    assert sorted(train[:, 0, 0, 0].tolist()) == [0, 1, 2, 3, 4]
    assert torch.equal(train, other)


def test_pictures_are_decoded_once_and_mapped_ever_after(tmp_path, monkeypatch, capsys):
    source = archive(tmp_path / "all.tar.xz", PICTURES)
    first = load(source)
    assert "once" in capsys.readouterr().err
    monkeypatch.setattr(files, "_read", lambda *_: pytest.fail("decoded again"))
    again = load(source)
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1], again[1])
    assert capsys.readouterr().err == ""


def test_another_picture_makes_another_file(tmp_path):
    source = folder(tmp_path / "all", PICTURES)
    assert len(load(source)[0]) == 5
    folder(source, {"train/new.png": png(9)})
    assert len(load(source)[0]) == 6


def test_a_file_that_was_cut_short_is_made_again(tmp_path, cache):
    source = folder(tmp_path / "all", PICTURES)
    whole = load(source)[0].clone()
    (kept,) = cache.iterdir()
    (kept / "train").write_bytes(b"short")
    assert torch.equal(load(source)[0], whole)


def test_writing_to_the_images_does_not_reach_the_file(tmp_path):
    source = folder(tmp_path / "all", PICTURES)
    load(source)[0].fill_(7)
    assert 7 not in load(source)[0]


def test_the_first_pictures_stand_for_all_where_a_folder_is_sorted_by_class(tmp_path):
    """Of 200 pictures in two classes, the first 100 hold 50 of each, within 5 deviations."""
    sorted_ = {f"{part}/{i:03d}.png": png(i) for part in ("train", "test") for i in range(200)}
    for images in load(folder(tmp_path / "all", sorted_))[:2]:
        values = images[:, 0, 0, 0]
        assert sorted(values.tolist()) == list(range(200))
        assert 32 < (values[:100] < 100).sum() < 68


def test_what_another_process_decoded_meanwhile_stays_as_it_is(tmp_path, cache, monkeypatch):
    """It may have been mapped already."""
    source, write = folder(tmp_path / "all", PICTURES), files._write
    load(source)
    (kept,) = cache.iterdir()

    def meanwhile(*args):
        other.rename(kept)
        return write(*args)

    other = kept.rename(tmp_path / "other")
    before = (other / "train").stat().st_ino
    monkeypatch.setattr(files, "_write", meanwhile)
    load(source)
    assert [*cache.iterdir()] == [kept]
    assert (kept / "train").stat().st_ino == before


def test_what_a_killed_process_left_is_cleared_away_after_a_day(tmp_path, cache):
    source = folder(tmp_path / "all", PICTURES)
    load(source)
    (kept,) = cache.iterdir()
    (kept / "counts.json").unlink()
    old, young = (cache / f".{kept.name}-{name}" for name in ("old", "young"))
    for work, age in ((old, 2), (young, 0)):
        work.mkdir()
        os.utime(work, (time.time() - age * 86_400,) * 2)
    load(source)
    assert {*cache.iterdir()} == {kept, young}


def test_a_file_too_large_for_a_picture_is_skipped_and_counted(tmp_path, monkeypatch):
    many = {f"train/{i:03d}.png": png(i % 256) for i in range(199)} | {"test/0.png": png(0)}
    monkeypatch.setattr(files, "_MAX_PICTURE", 1000)
    assert load(folder(tmp_path / "all", many | {"train/large.png": bytes(1001)}))[2] == 1


def test_a_link_to_nowhere_is_passed_over(tmp_path):
    source = folder(tmp_path / "all", PICTURES)
    (source / "train" / "gone.png").symlink_to(tmp_path / "nowhere.png")
    assert load(source)[2] == 0


def test_a_full_disk_is_one_sentence_and_leaves_nothing(tmp_path, cache, monkeypatch):
    def rename(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "rename", rename)
    assert "LEBM_CACHE" in refused(folder(tmp_path / "all", PICTURES))
    assert list(cache.iterdir()) == []


def test_one_corrupt_file_among_many_is_skipped_and_counted(tmp_path):
    many = {f"train/{i:03d}.png": png(i % 256) for i in range(199)} | {"test/0.png": png(0)}
    many["train/corrupt.png"] = b"no picture"
    assert load(folder(tmp_path / "all", many))[2] == 1


def test_many_corrupt_files_are_refused(tmp_path, cache):
    broken = PICTURES | {"train/corrupt.png": b"no picture"}
    assert "1 of 11 pictures" in refused(folder(tmp_path / "all", broken))
    assert list(cache.iterdir()) == []


def test_a_folder_without_pictures_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    assert "is it the right folder?" in refused(tmp_path / "empty")
    assert "0 held-out" in refused(folder(tmp_path / "half", {"train/1.png": png(1)}))


def test_names_that_leave_the_archive_are_only_names(tmp_path):
    """Nothing is unpacked; links and devices are passed over."""
    evil = {"../../outside.png": png(1), "/tmp/absolute.png": png(2)}
    path = tmp_path / "evil.tar"
    with tarfile.open(path, "w") as tar:
        for name, content in (PICTURES | evil).items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE):
            info = tarfile.TarInfo(f"train/{int(kind)}.png")
            info.type, info.linkname = kind, "/etc/passwd"
            tar.addfile(info)
    before = {p for p in tmp_path.rglob("*") if "cache" not in p.parts}
    train, test, _ = load(path)
    assert (len(train), len(test)) == (5, 5)
    assert {p for p in tmp_path.rglob("*") if "cache" not in p.parts} == before
    assert not (tmp_path.parent / "outside.png").exists()


def test_a_member_of_gigabytes_is_refused_before_it_is_read(tmp_path):
    info = tarfile.TarInfo("train/bomb.png")
    info.size = 2**40
    (tmp_path / "bomb.tar").write_bytes(info.tobuf() + bytes(1024))
    assert "larger files" in refused(tmp_path / "bomb.tar")


def test_an_archive_of_endless_members_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "_MAX_MEMBERS", 5)
    assert "more or larger" in refused(archive(tmp_path / "many.tar", PICTURES, "w"))


@pytest.mark.parametrize("mode", ["w:gz", "w:xz"])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.7])
def test_a_compressed_archive_cut_short_is_refused(mode, share, tmp_path):
    noise = np.random.default_rng(0).integers(256, size=(10, 8, 8, 3), dtype=np.uint8)
    members = {}
    for i, pixels in enumerate(noise):
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "PNG")
        members[f"{('train', 'test')[i % 2]}/{i}.png"] = buffer.getvalue()
    path = archive(tmp_path / "all.tar", members, mode)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    assert "cut short" in refused(path)


def test_flipped_bytes_in_an_archive_never_crash(tmp_path):
    """Each is a data set or one sentence."""
    path = archive(tmp_path / "all.tar.xz", PICTURES)
    data, rng = path.read_bytes(), np.random.default_rng(0)
    for _ in range(40):
        broken = bytearray(data)
        for place in rng.integers(len(data), size=3):
            broken[place] ^= int(rng.integers(1, 256))
        path.write_bytes(broken)
        with suppress(DatasetUnavailable):
            list(pictures(path))


def test_a_missing_archive_is_one_sentence(tmp_path):
    with pytest.raises(DatasetUnavailable, match="fetch it again"):
        list(pictures(tmp_path / "none.tar"))
