"""The torch side of `npm run bench -- gradients`: one request a line on stdin, one answer a line on stdout, both JSON."""
import ctypes
import json
import sys
import time

import torch
import torch.nn.functional as F


def read(tensor):
    if "data" in tensor:
        return torch.tensor(tensor["data"], dtype=torch.float32).view(tensor["dims"])
    count = 1
    for size in tensor["dims"]:
        count *= size
    with open(tensor["file"], "rb") as file:
        file.seek(tensor["offset"])
        return torch.frombuffer(bytearray(file.read(4 * count)), dtype=torch.float32).view(tensor["dims"])


class Llama:
    """The decoder as a function of its embeddings. No weight takes a gradient."""

    def __init__(self, config, tensors):
        weights = {tensor["name"]: read(tensor) for tensor in tensors}
        # As torch's Linear has them: [out, in].
        linear = lambda name: weights[name].t().contiguous()
        self.heads, self.groups, self.size = config["heads"], config["keyValueHeads"], config["headSize"]
        self.epsilon = config["epsilon"]
        self.layers = []
        for i in range(config["layers"]):
            at = f"model.layers.{i}."
            self.layers.append((
                weights[at + "input_layernorm.weight"],
                *(linear(f"{at}self_attn.{part}_proj.weight") for part in "qkvo"),
                weights[at + "post_attention_layernorm.weight"],
                *(linear(f"{at}mlp.{part}_proj.weight") for part in ("gate", "up", "down")),
            ))
        self.norm = weights["model.norm.weight"]
        self.head = linear("lm_head.weight") if "lm_head.weight" in weights else weights["model.embed_tokens.weight"]
        self.embedding = weights["model.embed_tokens.weight"]
        half = self.size // 2
        self.frequencies = config["theta"] ** (-torch.arange(half, dtype=torch.float32) / half)

    def double(self):
        for name in ("norm", "head", "embedding", "frequencies"):
            setattr(self, name, getattr(self, name).double())
        self.layers = [tuple(weight.double() for weight in layer) for layer in self.layers]
        return self

    def prepare(self, length):
        """What depends on the length alone."""
        angles = torch.arange(length, dtype=torch.float32)[:, None] * self.frequencies
        angles = torch.cat((angles, angles), -1)
        self.cos, self.sin = angles.cos(), angles.sin()
        mask = torch.full((length, length), float("-inf"), dtype=self.norm.dtype).triu(1)
        # Each key head serves several query heads: their queries are rows of one product.
        self.mask = mask.repeat(self.heads // self.groups, 1)[None]

    def rms(self, x, weight):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.epsilon) * weight

    def rotate(self, x):
        a, b = x.chunk(2, -1)
        return x * self.cos + torch.cat((-b, a), -1) * self.sin

    def attention(self, x, wq, wk, wv, wo):
        batch, length, _ = x.shape
        shared = self.heads // self.groups
        q = self.rotate(F.linear(x, wq).view(batch, length, self.heads, self.size).transpose(1, 2))
        k = self.rotate(F.linear(x, wk).view(batch, length, self.groups, self.size).transpose(1, 2))
        v = F.linear(x, wv).view(batch, length, self.groups, self.size).transpose(1, 2)
        q = q.reshape(batch * self.groups, shared * length, self.size)
        k = k.reshape(batch * self.groups, length, self.size)
        v = v.reshape(batch * self.groups, length, self.size)
        scores = torch.baddbmm(self.mask, q, k.transpose(1, 2), alpha=self.size**-0.5)
        mixed = torch.bmm(scores.softmax(-1), v).view(batch, self.heads, length, self.size)
        return F.linear(mixed.transpose(1, 2).reshape(batch, length, -1), wo)

    def stream(self, x):
        for norm1, wq, wk, wv, wo, norm2, gate, up, down in self.layers:
            x = x + self.attention(self.rms(x, norm1), wq, wk, wv, wo)
            y = self.rms(x, norm2)
            x = x + F.linear(F.silu(F.linear(y, gate)) * F.linear(y, up), down)
        return x

    def contrast(self, x, tokens):
        """Σ over rows of log p(tokens[0]) − log p(tokens[1]) after the last place."""
        logits = F.linear(self.rms(self.stream(x)[:, -1], self.norm), self.head)
        scores = logits.log_softmax(-1)[:, tokens]
        return (scores[:, 0] - scores[:, 1]).sum()

    def __call__(self, x, targets):
        """x: [batch, length, hidden]; targets: the next tokens, [batch * length]."""
        x = self.stream(x)
        logits = F.linear(self.rms(x, self.norm), self.head)
        return -F.cross_entropy(logits.flatten(0, 1), targets, reduction="sum")


class Problem:
    def __init__(self, request):
        self.model = Llama(request["config"], request["tensors"])
        self.traced = {}

    def load(self, ids, targets):
        ids = torch.tensor(ids)
        self.model.prepare(ids.shape[1])
        self.embeddings = F.embedding(ids, self.model.embedding)
        self.targets = torch.tensor(targets).flatten()
        example = self.embeddings.clone().requires_grad_()
        self.traced = torch.jit.trace(lambda x, t: self.model(x, t), (example, self.targets), check_trace=False)
        return {}

    def step(self, jit):
        x = self.embeddings.detach().requires_grad_()
        target = (self.traced if jit else self.model)(x, self.targets)
        (gradient,) = torch.autograd.grad(target, x)
        return target.detach(), gradient

    def time(self, steps, warm, jit):
        for _ in range(warm):
            self.step(jit)
        start, cpu = time.perf_counter(), time.process_time()
        for _ in range(steps):
            self.step(jit)
        return {"seconds": time.perf_counter() - start, "cpuSeconds": time.process_time() - cpu}

    def result(self, jit):
        target, gradient = self.step(jit)
        return {"target": target.item(), "gradient": gradient.flatten().tolist()}

    def load_contrast(self, ids, preferred, dispreferred, chunk):
        ids = torch.tensor([ids])
        self.model.prepare(ids.shape[1])
        self.embeddings = F.embedding(ids, self.model.embedding)
        self.tokens = torch.tensor([preferred, dispreferred])
        example = self.embeddings.repeat(chunk, 1, 1).requires_grad_()
        self.traced[chunk] = torch.jit.trace(lambda x, t: self.model.contrast(x, t), (example, self.tokens), check_trace=False)
        return {}

    def path(self, nodes, weights, chunk, jit):
        """Integrated gradients from zero embeddings, and the contrast at both ends of the path."""
        start, cpu = time.perf_counter(), time.process_time()
        contrast = self.traced[chunk] if jit else self.model.contrast
        tokens = torch.zeros(self.embeddings.shape[1], dtype=torch.float64)
        for at in range(0, len(nodes), chunk):
            scale = torch.tensor(nodes[at : at + chunk], dtype=torch.float32)[:, None, None]
            x = (scale * self.embeddings).requires_grad_()
            (gradient,) = torch.autograd.grad(contrast(x, self.tokens), x)
            each = (gradient * self.embeddings).sum(-1).double()
            tokens += torch.tensor(weights[at : at + chunk], dtype=torch.float64) @ each
        with torch.no_grad():
            ends = [self.model.contrast(end, self.tokens).item() for end in (0 * self.embeddings, self.embeddings)]
        return {"tokens": tokens.tolist(), "ends": ends, "seconds": time.perf_counter() - start, "cpuSeconds": time.process_time() - cpu}

    def reference(self):
        """In float64, of a copy: 0.5 GB for the largest model here, so it is asked of a process of its own."""
        self.model.double().prepare(self.embeddings.shape[1])
        x = self.embeddings.double().requires_grad_()
        target = self.model(x, self.targets)
        (gradient,) = torch.autograd.grad(target, x)
        return {"target": target.item(), "gradient": gradient.flatten().tolist()}


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


def main():
    torch.set_num_threads(int(sys.argv[1]))
    about = {"torch": torch.__version__, "threads": torch.get_num_threads(), "gflops": 0}
    print(json.dumps({**about, "blas": blas()}), flush=True)
    problem = None
    for line in sys.stdin:
        request = json.loads(line)
        kind = request.pop("type")
        if kind == "model":
            problem, answer = Problem(request), {}
        else:
            answer = getattr(problem, kind)(**request)
        print(json.dumps(answer), flush=True)


main()
