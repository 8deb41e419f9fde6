"""The torch side of `npm run bench -- training`: one request a line on stdin, one answer a line on stdout, both JSON."""
import ctypes
import json
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn

HIDDEN = -1e9


class Attention(nn.Module):
    def __init__(self, heads, query, key, value, output):
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value, self.output = (nn.Parameter(w) for w in (query, key, value, output))

    def split(self, stream, weight):
        batch, length, _ = stream.shape
        return (stream @ weight).view(batch, length, self.heads, -1).transpose(1, 2)

    def forward(self, stream, bias, scale):
        logits = self.split(stream, self.query) @ self.split(stream, self.key).transpose(-1, -2)
        mixed = (logits * scale + bias).softmax(-1) @ self.split(stream, self.value)
        return mixed.transpose(1, 2).flatten(2) @ self.output


class Mlp(nn.Module):
    def __init__(self, input, output):
        super().__init__()
        self.input, self.output = nn.Parameter(input), nn.Parameter(output)

    def forward(self, stream):
        return (stream @ self.input).relu() @ self.output


class Transformer(nn.Module):
    def __init__(self, heads, matrices):
        super().__init__()
        self.tokens = nn.Parameter(matrices["tokenEmbedding"])
        self.positions = nn.Parameter(matrices["positionEmbedding"])
        self.attentions, self.mlps = nn.ModuleList(), nn.ModuleList()
        for layer, count in enumerate(heads):
            parts = [matrices[f"layer{layer}/attention/{part}"] for part in ("query", "key", "value", "output")]
            self.attentions.append(Attention(count, *parts))
            self.mlps.append(Mlp(matrices[f"layer{layer}/mlp/input"], matrices[f"layer{layer}/mlp/output"]))
        self.unembedding = nn.Parameter(matrices["unembedding"])

    def forward(self, tokens, present, scale):
        bias = ((1 - present) * HIDDEN)[:, None, None, :]
        stream = F.embedding(tokens, self.tokens) + self.positions[: tokens.shape[1]]
        for attention, mlp in zip(self.attentions, self.mlps):
            stream = stream + attention(stream, bias, scale)
            stream = stream + mlp(stream)
        return stream @ self.unembedding


class Problem:
    """One transformer's first weights, and all rows of its data."""

    def __init__(self, request):
        self.heads = request["heads"]
        self.matrices = {name: torch.tensor(data, dtype=torch.float32).view(rows, columns) for name, rows, columns, data in request["matrices"]}
        shape = request["rows"], -1
        self.tokens = torch.tensor(request["tokens"]).view(shape)
        self.targets = torch.tensor(request["targets"]).view(shape)
        self.present = torch.tensor(request["present"], dtype=torch.float32).view(shape)

    def loss(self, model, rows, scale):
        logits = model(self.tokens[rows], self.present[rows].to(model.unembedding.dtype), scale)
        return F.cross_entropy(logits.flatten(0, 1), self.targets[rows].flatten(), ignore_index=-100)

    def train(self, batches, warm, foreach, double, rate, clip, scale):
        """The losses before each step, and the seconds of the steps after the first `warm`."""
        model = Transformer(self.heads, {name: matrix.clone() for name, matrix in self.matrices.items()})
        if double:
            model = model.double()
        parameters = list(model.parameters())
        adam = torch.optim.Adam(parameters, lr=rate, foreach=foreach)
        batches = [torch.tensor(rows) for rows in batches]
        losses, start, cpu = [], 0.0, 0.0
        for step, rows in enumerate(batches):
            if step == warm:
                start, cpu = time.perf_counter(), time.process_time()
            adam.zero_grad(set_to_none=True)
            loss = self.loss(model, rows, scale)
            loss.backward()
            nn.utils.clip_grad_norm_(parameters, clip)
            adam.step()
            losses.append(loss.detach())
        losses = torch.stack(losses).tolist()
        return {"losses": losses, "seconds": time.perf_counter() - start, "cpuSeconds": time.process_time() - cpu}


def blas():
    """The file of the BLAS that is loaded, and what it says of itself."""
    with open("/proc/self/maps") as maps:
        files = sorted({line.split()[-1] for line in maps if "blas" in line.rsplit("/", 1)[-1]})
    for file in files:
        library = ctypes.CDLL(file)
        if hasattr(library, "openblas_get_config"):
            library.openblas_get_config.restype = ctypes.c_char_p
            return f"{library.openblas_get_config().decode().strip()}, {library.openblas_get_num_threads()} threads"
    return ", ".join(files) or "none"


def gflops(size=512, rounds=20):
    a = torch.rand(size, size)
    a @ a
    start = time.perf_counter()
    for _ in range(rounds):
        a @ a
    return 2e-9 * rounds * size**3 / (time.perf_counter() - start)


def main():
    torch.set_num_threads(int(sys.argv[1]))
    about = {"torch": torch.__version__, "threads": torch.get_num_threads(), "gflops": gflops()}
    print(json.dumps({**about, "blas": blas()}), flush=True)
    problem = None
    for line in sys.stdin:
        request = json.loads(line)
        if request["type"] == "problem":
            problem, answer = Problem(request), {}
        else:
            answer = problem.train(*(request[name] for name in ("batches", "warm", "foreach", "double", "rate", "clip", "scale")))
        print(json.dumps(answer), flush=True)


main()
