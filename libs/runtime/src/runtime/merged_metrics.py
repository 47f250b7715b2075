"""The metrics of several workers as one text, each with the label `worker`."""

from collections.abc import Iterator, Mapping

from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector


def merged(own: CollectorRegistry, texts: Mapping[int, str]) -> bytes:
    """The metrics in `own` as they are, and those of the workers, by their numbers.

    Nothing is summed up: a sum of counters would fall when a worker ends.
    """
    return generate_latest(_Merged(own, texts))


class _Merged(Collector):
    def __init__(self, own: CollectorRegistry, texts: Mapping[int, str]) -> None:
        self._own = own
        self._texts = texts

    def collect(self) -> Iterator[Metric]:
        """Each metric once, with the samples of all."""
        yield from self._own.collect()
        found: dict[str, Metric] = {}
        for number, text in self._texts.items():
            for metric in text_string_to_metric_families(text):
                new = Metric(metric.name, metric.documentation, metric.type)
                for sample in metric.samples:
                    labels = {**sample.labels, "worker": str(number)}
                    found.setdefault(metric.name, new).samples.append(
                        sample._replace(labels=labels)
                    )
        yield from found.values()
