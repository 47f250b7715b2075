"""The metrics of several workers as one text."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, generate_latest

from runtime.merged_metrics import merged


def worker(number: int) -> str:
    registry = CollectorRegistry()
    Info("process", "Which.", registry=registry).info({"instance": f"host-{number}"})
    Counter("frames", "Frames.", ["type"], registry=registry).labels("tick").inc(number)
    Gauge("viewers", "Viewers.", registry=registry).set(number)
    Histogram("late", "Late.", buckets=[1, 2], registry=registry).observe(1.5)
    return generate_latest(registry).decode()


def test_each_metric_is_there_once_with_the_samples_of_every_worker() -> None:
    own = CollectorRegistry()
    Gauge("workers", "Workers.", registry=own).set(2)
    for _ in range(2):  # nothing is kept from one scrape to the next
        lines = merged(own, {number: worker(number) for number in (1, 4)}).decode().splitlines()
        assert lines.count("# TYPE frames_total counter") == 1
        assert lines.count("# TYPE late histogram") == 1
        assert len(lines) == len(set(lines))
        assert {
            "workers 2.0",
            'process_info{instance="host-1",worker="1"} 1.0',
            'process_info{instance="host-4",worker="4"} 1.0',
            'frames_total{type="tick",worker="1"} 1.0',
            'frames_total{type="tick",worker="4"} 4.0',
            'viewers{worker="4"} 4.0',
            'late_bucket{le="2.0",worker="1"} 1.0',
            'late_count{worker="4"} 1.0',
        } <= set(lines)


def test_a_worker_that_does_not_answer_is_left_out() -> None:
    assert b'worker="2"' not in merged(CollectorRegistry(), {1: worker(1), 2: ""})
