"""The torch side of `npm run bench -- generate`: one request a line on stdin, one answer a line on stdout, both JSON."""
import json
import sys
import time

import torch
import torch.nn.functional as F


def rms_norm(x, weight):
    return weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-5))


def rotate(x, cos, sin):
    half = x.shape[-1] // 2
    left, right = x[..., :half], x[..., half:]
    return torch.cat((left * cos - right * sin, right * cos + left * sin), -1)


class Llama:
    def __init__(self, request):
        self.heads, self.shared = request["heads"], request["heads"] // request["keyValueHeads"]
        self.size, self.count = request["hidden"] // request["heads"], request["layers"]
        with open(request["path"], "rb") as file:
            values = torch.frombuffer(bytearray(file.read()), dtype=torch.float32)
        weights, at = {}, 0
        for entry in request["weights"]:
            size = 1
            for dim in entry["dims"]:
                size *= dim
            weights[entry["name"]] = values[at : at + size].view(entry["dims"]).clone()
            at += size
        # As torch.nn.Linear keeps them, [out, in].
        linear = {name: w.t().contiguous() for name, w in weights.items() if name.endswith("_proj.weight") or name == "lm_head.weight"}
        self.embedding, self.norm = weights["model.embed_tokens.weight"], weights["model.norm.weight"]
        self.head = linear.get("lm_head.weight", self.embedding)
        self.layers = []
        for i in range(self.count):
            at = f"model.layers.{i}."
            norms = [weights[f"{at}{part}.weight"] for part in ("input_layernorm", "post_attention_layernorm")]
            attention = [linear[f"{at}self_attn.{part}_proj.weight"] for part in "qkvo"]
            mlp = [linear[f"{at}mlp.{part}_proj.weight"] for part in ("gate", "up", "down")]
            self.layers.append((norms, attention, mlp))
        half = self.size // 2
        angles = torch.arange(request["context"]).float()[:, None] * 10000.0 ** (-torch.arange(half).float() / half)
        self.cos, self.sin = angles.cos(), angles.sin()

    def split(self, x):
        return x.view(x.shape[0], x.shape[1], -1, self.size).transpose(1, 2)

    def forward(self, ids, cache):
        """Logits of the last position, and the cache with the new keys and values."""
        past = cache[0][0].shape[2] if cache else 0
        length = ids.shape[1]
        cos, sin = self.cos[past : past + length], self.sin[past : past + length]
        bias = torch.full((length, past + length), float("-inf")).triu(past + 1) if length > 1 else None
        x, kept = F.embedding(ids, self.embedding), []
        for i, (norms, (wq, wk, wv, wo), (gate, up, down)) in enumerate(self.layers):
            h = rms_norm(x, norms[0])
            q, k, v = (self.split(F.linear(h, w)) for w in (wq, wk, wv))
            q, k = rotate(q, cos, sin), rotate(k, cos, sin)
            if cache:
                k, v = torch.cat((cache[i][0], k), 2), torch.cat((cache[i][1], v), 2)
            kept.append((k, v))
            if self.shared > 1:
                k, v = k.repeat_interleave(self.shared, 1), v.repeat_interleave(self.shared, 1)
            scores = q @ k.transpose(-1, -2) * self.size**-0.5
            mixed = (scores if bias is None else scores + bias).softmax(-1) @ v
            x = x + F.linear(mixed.transpose(1, 2).flatten(2), wo)
            h = rms_norm(x, norms[1])
            x = x + F.linear(F.silu(F.linear(h, gate)) * F.linear(h, up), down)
        return F.linear(rms_norm(x[:, -1:], self.norm), self.head), kept

    def decode(self, prompt, tokens):
        start = time.perf_counter()
        logits, cache = self.forward(torch.tensor([prompt]), None)
        ids = [int(logits.argmax())]
        first = time.perf_counter()
        while len(ids) < tokens:
            logits, cache = self.forward(torch.tensor([ids[-1:]]), cache)
            ids.append(int(logits.argmax()))
        return {"ids": ids, "promptMillis": 1e3 * (first - start), "decodeMillis": 1e3 * (time.perf_counter() - first)}


def main():
    torch.set_num_threads(int(sys.argv[1]))
    print(json.dumps({"torch": torch.__version__}), flush=True)
    model = None
    with torch.no_grad():
        for line in sys.stdin:
            request = json.loads(line)
            if request["type"] == "load":
                model, answer = Llama(request), {}
            else:
                answer = model.decode(request["prompt"], request["tokens"])
            print(json.dumps(answer), flush=True)


main()
