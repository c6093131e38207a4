"""Several streams of documents become one, in given proportions of bytes."""

from collections.abc import Iterable, Sequence

from eyas.data.documents import Document


def interleave(
    streams: Sequence[Iterable[Document]], weights: Sequence[float], endless: Sequence[bool] = ()
) -> Iterable[tuple[int, Document]]:
    """Yield (stream number, document): the next is always taken from the stream that is furthest behind its weight.

    Deterministic: after every document each stream's bytes divided by its weight agree to within one document.
    A stream that ends leaves its share to the others; once every stream that is not `endless` has ended, all stop.
    """
    iterators = [iter(stream) for stream in streams]
    sent = [0.0] * len(iterators)
    alive = list(range(len(iterators)))
    never = {i for i, flag in enumerate(endless) if flag}
    while alive and (len(never) == len(iterators) or any(i not in never for i in alive)):
        at = min(alive, key=lambda i: (sent[i] / weights[i], i))
        document = next(iterators[at], None)
        if document is None:
            alive.remove(at)
            continue
        # An empty document must not be free, or an endless stream of them would starve the others.
        sent[at] += max(1, len(document.text.encode("utf-8", "surrogatepass")))
        yield at, document
