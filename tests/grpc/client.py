"""Every kind of call with grpcio. One line of JSON tells what came of them."""

import json
import queue
import sys

import grpc

target, secret = sys.argv[1:]
channel = grpc.secure_channel(target, grpc.ssl_channel_credentials())
zipped = grpc.secure_channel(target, grpc.ssl_channel_credentials(), compression=grpc.Compression.Gzip)


def path(name):
    return "/stand.In/" + name


def trailer(call):
    return dict(call.trailing_metadata()).get("x-service", "")


def unary(over, name, message, **options):
    try:
        reply, call = over.unary_unary(path(name)).with_call(message.encode(), **options)
        return {"code": 0, "details": "", "reply": reply.decode(), "trailer": trailer(call)}
    except grpc.RpcError as error:
        return {"code": error.code().value[0], "details": error.details(), "trailer": trailer(error)}


def talk(texts):
    """Says each text when the one before was answered; the server has spoken first."""
    left, heard, said = list(texts), [], queue.Queue()
    call = channel.stream_stream(path("Both"))(iter(said.get, None))
    try:
        for message in call:
            heard.append(message.decode())
            said.put(left.pop(0).encode() if left else None)
    except grpc.RpcError:
        said.put(None)
    return {"heard": heard, "code": call.code().value[0], "details": call.details() or ""}


whole = unary(channel, "Unary", "hi")
failed = unary(channel, "Fail", "x")
print(
    json.dumps(
        {
            "unary": [whole.get("reply"), whole["code"], whole["trailer"]],
            "server": [one.decode() for one in channel.unary_stream(path("Server"))(b"a")],
            "client": channel.stream_unary(path("Client"))(iter([b"one", b"two", b"three"])).decode(),
            "both": talk(["one", "two"]),
            "failed": [failed["code"], failed["details"], failed["trailer"]],
            "deadline": unary(channel, "Never", "x", timeout=0.5)["code"],
            "gzip": unary(zipped, "Unary", "z" * 2000).get("reply"),
            "blocked": talk(["fine", "the key is " + secret]),
            "zipped": unary(zipped, "Unary", "z" * 2000 + " " + secret)["code"],
            "halves": talk(["the key is " + secret[:9], secret[9:]]),
        }
    )
)
