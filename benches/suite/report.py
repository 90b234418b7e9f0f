import json
def read(p): return [json.loads(l) for l in p.open()]
def write(rows, d): return "\n".join(json.dumps(r)[:400] for r in rows)
