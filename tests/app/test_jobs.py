from __future__ import annotations

import threading

import pytest

from app.jobs import Job, Jobs


def test_a_job_is_started_once_and_found_again() -> None:
    jobs, runs = Jobs(), []

    def work(job: Job[int]) -> None:
        runs.append(1)
        job.publish(7, 1.0)

    first = jobs.start("a", work)
    assert jobs.start("a", work) is first
    assert first.finished.wait(60)
    assert (first.latest, first.progress, len(runs)) == (7, 1.0, 1)


def test_cancelling_keeps_what_there_is() -> None:
    started = threading.Event()

    def work(job: Job[int]) -> None:
        job.publish(1, 0.1)
        started.set()
        job.cancelled.wait(60)

    job = Jobs().start("a", work)
    assert started.wait(60)
    assert job.begun.is_set()
    assert job.running
    job.cancelled.set()
    assert job.finished.wait(60)
    assert job.latest == 1


def test_a_job_that_nobody_watches_ends_and_starts_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.jobs.UNWATCHED_SECONDS", 0.05)

    def work(job: Job[int]) -> None:
        while not job.should_stop():
            job.finished.wait(0.01)

    jobs = Jobs()
    first = jobs.start("a", work)
    assert first.finished.wait(60)
    assert first.abandoned
    assert jobs.start("a", work) is not first


def test_a_failure_is_one_sentence() -> None:
    def work(job: Job[int]) -> None:
        raise RuntimeError("no room\nat all")

    job = Jobs().start("a", work)
    assert job.finished.wait(60)
    assert job.error == "no room"
    assert job.begun.is_set()


def test_any_failure_is_said() -> None:
    def work(job: Job[int]) -> None:
        import a_module_that_nobody_has  # noqa: F401

    job = Jobs().start("a", work)
    assert job.finished.wait(60)
    assert job.error == "No module named 'a_module_that_nobody_has'"


def test_what_has_ended_is_forgotten_and_what_runs_is_left_alone() -> None:
    jobs = Jobs(keep=2)

    def work(job: Job[int]) -> None:
        job.cancelled.wait(60)

    first, *others = [jobs.start(name, work) for name in "abc"]
    assert all(job.running for job in (first, *others))
    first.cancelled.set()
    assert first.finished.wait(60)
    last = jobs.start("d", work)
    assert all(job.running for job in (*others, last))
    assert jobs.start("b", work) is others[0]
    assert jobs.start("a", work) is not first
    jobs.close()


def test_a_job_of_ones_own_is_ended_by_nobody_else() -> None:
    jobs = Jobs(keep=1)

    def work(job: Job[int]) -> None:
        job.publish(1, 0.5)
        job.cancelled.wait(60)

    own = [jobs.begin(work) for _ in range(3)]
    for name in "abc":
        jobs.start(name, work)
    assert all(job.running for job in own)
    own[0].cancelled.set()
    assert own[0].finished.wait(60)
    assert (own[0].latest, own[1].running, own[2].running) == (1, True, True)
    jobs.close()
    assert not any(job.running for job in own)


def test_closing_ends_all_work_and_waits_for_it() -> None:
    jobs = Jobs()

    def work(job: Job[int]) -> None:
        while not job.should_stop():
            job.cancelled.wait(0.01)

    running = [jobs.start(name, work) for name in ("a", "b")]
    assert all(job.running for job in running)
    jobs.close()
    assert not any(job.running for job in running)
