# moto's server, one request at a time. It has a thread for each, looks first and writes then, and shows an
# object before its metadata: now and then two create-only writes at the same moment would both be taken.
import io
import threading

from moto import server

application = server.DomainDispatcherApplication
answer = application.__call__
turn = threading.Lock()


def answer_in_turn(self, environ, start_response):
    length = environ.get("CONTENT_LENGTH")
    if length:
        # A body that stalls holds nobody else up.
        body = environ["wsgi.input"].read(int(length))
        environ["wsgi.input"] = io.BytesIO(body)
    with turn:
        pieces = answer(self, environ, start_response)
        try:
            return [b"".join(pieces)]
        finally:
            if hasattr(pieces, "close"):
                pieces.close()


application.__call__ = answer_in_turn
server.main()
