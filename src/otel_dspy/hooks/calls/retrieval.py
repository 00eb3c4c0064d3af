"""Hook for retrievers: `retrieval` spans of opentelemetry-util-genai, with the passages added."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from opentelemetry.semconv._incubating.attributes import gen_ai_attributes as gen_ai
from opentelemetry.util.genai.types import RetrievalDocument
from opentelemetry.util.genai.utils import bind_arguments
from typing_extensions import override

from otel_dspy import semconv
from otel_dspy.hooks.patching.call_hook import CallHook, wrap_call
from otel_dspy.hooks.patching.subclasses import wrap_with_subclasses
from otel_dspy.runtime.enclosing_call import within_call
from otel_dspy.telemetry.call_context import context_for_call
from otel_dspy.telemetry.genai.invocations import clean_text, end_invocation
from otel_dspy.telemetry.secrets.scrubber import host_and_port

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.context import Context

    from otel_dspy.hooks.patching.call_hook import Args, Kwargs
    from otel_dspy.hooks.patching.patches import Patches
    from otel_dspy.telemetry.emitter import Telemetry


def install(patches: Patches, telemetry: Telemetry) -> None:
    """Wrap `dspy.Retrieve`, `dspy.retrievers.Embeddings` and `dspy.ColBERTv2`.

    A retriever that another one calls (`dspy.Retrieve` calls `dspy.settings.rm`) belongs to the caller's span.
    """
    import dspy  # noqa: PLC0415 - dspy is imported when it is instrumented
    from dspy import ColBERTv2, Retrieve  # noqa: PLC0415
    from dspy.retrievers.embeddings import Embeddings  # noqa: PLC0415

    def by_settings(_wrapped: Callable[..., Any], instance: Any, args: Args, kwargs: Kwargs) -> CallHook:
        # The arguments are those of `forward`, which subclasses override.
        asked: Any = cast("Any", dspy.settings).rm
        telemetry.secrets.learn_held(instance)
        if asked is not None:
            telemetry.secrets.learn_held(asked)
        source = type(instance if asked is None or type(instance) is not Retrieve else asked).__name__
        query = args[0] if args else kwargs.get("query", kwargs.get("query_or_queries"))
        top_k = kwargs.get("k", args[1] if len(args) > 1 else None)
        return _RetrievalHook(telemetry, source, query, instance.k if top_k is None else top_k)

    def colbert(wrapped: Callable[..., Any], instance: Any, args: Args, kwargs: Kwargs) -> CallHook:
        given = bind_arguments(wrapped, args, kwargs, apply_defaults=True)
        hook = _RetrievalHook(telemetry, type(instance).__name__, given.get("query"), given.get("k"))
        hook.address = str(instance.url)
        telemetry.secrets.learn_url(hook.address)
        return hook

    def embeddings(wrapped: Callable[..., Any], instance: Any, args: Args, kwargs: Kwargs) -> CallHook:
        telemetry.secrets.learn_held(instance)
        query = bind_arguments(wrapped, args, kwargs).get("query")
        return _RetrievalHook(telemetry, type(instance).__name__, query, instance.k)

    patches.wrap(Retrieve, "__call__", wrap_call(by_settings))
    patches.wrap(ColBERTv2, "__call__", wrap_call(colbert))
    wrap_with_subclasses(patches, Embeddings, "forward", lambda _: wrap_call(embeddings))


class _RetrievalHook(CallHook):
    part = "the span of a retriever"
    address: str = ""

    def __init__(self, telemetry: Telemetry, source: str, query: Any, top_k: Any) -> None:
        self._telemetry = telemetry
        self._source = source
        self._query = query
        self._top_k = top_k

    @override
    def open(self) -> Context:
        telemetry = self._telemetry
        host, port = host_and_port(self.address)
        invocation = telemetry.genai.retrieval(
            data_source_id=self._source,
            server_address=host,
            server_port=port,
            context=context_for_call(None),
        )
        self._invocation = invocation
        if isinstance(self._top_k, int):
            invocation.top_k = self._top_k
        if telemetry.settings.capture_content and self._query is not None:
            invocation.query_text = clean_text(telemetry, gen_ai.GEN_AI_RETRIEVAL_QUERY_TEXT, self._query)
        return within_call(invocation.span, invocation.context)

    @override
    def record_result(self, result: Any) -> None:
        passages, documents = _found(result)
        if passages is None:
            return
        invocation = self._invocation
        invocation.attributes[semconv.DSPY_RETRIEVAL_COUNT] = len(passages)
        if self._telemetry.settings.capture_content and invocation.span.is_recording():
            self._telemetry.content.put(invocation.attributes, semconv.DSPY_RETRIEVAL_PASSAGES, passages)
            if documents:
                invocation.documents = documents

    @override
    def close(self, error: BaseException | None) -> None:
        end_invocation(self._telemetry, self._invocation, error)


def _found(result: Any) -> tuple[list[Any] | None, list[RetrievalDocument]]:
    """Return the passages of a Prediction or a list, and their ids and scores if it has them."""
    if isinstance(result, list):
        rows = cast("list[Any]", result)
        mappings = [cast("Mapping[str, Any]", row) for row in rows if isinstance(row, Mapping)]
        if len(mappings) != len(rows):
            return rows, []
        documents = [_document(row.get("pid"), row.get("score")) for row in mappings]
        return [row.get("long_text", row.get("text")) for row in mappings], documents
    passages = getattr(result, "passages", None)
    if not isinstance(passages, list):
        return None, []
    ids: Any = getattr(result, "indices", None)
    if not isinstance(ids, list):
        return cast("list[Any]", passages), []
    scores: Any = getattr(result, "scores", None)
    ids = cast("list[Any]", ids)
    scores = cast("list[Any]", scores) if isinstance(scores, list) else [None] * len(ids)
    return cast("list[Any]", passages), [_document(one, score) for one, score in zip(ids, scores, strict=False)]


def _document(identity: Any, score: Any) -> RetrievalDocument:
    return RetrievalDocument(
        id=None if identity is None else str(identity), score=float(score) if isinstance(score, int | float) else None
    )
