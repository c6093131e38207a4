"""What Prometheus reads at /metrics. Counted per answer, never per token."""

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from eyas.serve.served import Served

router = APIRouter(include_in_schema=False)

_FIRST = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
_WHOLE = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60, 120, 300)


class Metrics:
    """The counters of one server."""

    def __init__(self, served: Served) -> None:
        self.registry = CollectorRegistry()
        self.answers = Counter("eyas_answers", "Answers given.", ["model", "finish_reason"], registry=self.registry)
        self.prompt_tokens = Counter("eyas_prompt_tokens", "Tokens read.", ["model"], registry=self.registry)
        self.completion_tokens = Counter("eyas_completion_tokens", "Tokens said.", ["model"], registry=self.registry)
        self.first_token = Histogram(
            "eyas_time_to_first_token_seconds", "From request to first token.", ["model"], buckets=_FIRST,
            registry=self.registry,
        )  # fmt: skip
        self.whole = Histogram(
            "eyas_answer_seconds", "From request to last token.", ["model"], buckets=_WHOLE, registry=self.registry
        )
        self.unrecorded = Counter("eyas_unrecorded", "Answers that the store did not take.", registry=self.registry)
        self.registry.register(_Live(served))

    def answered(
        self, model: str, reason: str, prompt_tokens: int, completion_tokens: int, first_seconds: float, seconds: float
    ) -> None:
        """Count one answer."""
        self.answers.labels(model, reason).inc()
        self.prompt_tokens.labels(model).inc(prompt_tokens)
        self.completion_tokens.labels(model).inc(completion_tokens)
        self.first_token.labels(model).observe(first_seconds)
        self.whole.labels(model).observe(seconds)


class _Live(Collector):
    """What is going on when somebody looks."""

    def __init__(self, served: Served) -> None:
        self.served = served

    def collect(self) -> list[GaugeMetricFamily]:
        requests = GaugeMetricFamily("eyas_requests", "Requests that run or wait.", labels=["model"])
        champion = GaugeMetricFamily("eyas_champion", "1 for the model that is the champion.", labels=["model"])
        for model in self.served.loaded():
            requests.add_metric([model.name], model.worker.load)
            champion.add_metric([model.name], float(self.served.aliases["champion"] == model.name))
        return [requests, champion]


@router.get("/metrics")
def metrics(request: Request) -> Response:
    """Everything counted so far, in Prometheus's text form."""
    return Response(generate_latest(request.app.state.eyas.metrics.registry), media_type=CONTENT_TYPE_LATEST)
