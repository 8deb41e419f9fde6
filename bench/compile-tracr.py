"""Times Tracr's compiler on the base programs: requests as JSON on stdin, seconds by program as JSON on stdout."""
import importlib.util
import json
import sys
import time

from tracr.compiler import compiling

max_length = int(sys.argv[1])
seconds = {}
for request in json.load(sys.stdin):
    spec = importlib.util.spec_from_file_location(request["name"], request["path"])
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    program = getattr(module, request["entry"])()
    start = time.perf_counter()
    compiling.compile_rasp_to_model(program, vocab=set(request["vocabulary"]), max_seq_len=max_length, compiler_bos="BOS")
    seconds[request["name"]] = time.perf_counter() - start
print(json.dumps(seconds))
