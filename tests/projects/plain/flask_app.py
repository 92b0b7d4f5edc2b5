from flask import Flask, Response, request

app = Flask(__name__)


@app.get("/")
def hello():
    return "Hello, World!"


@app.post("/form")
def form():
    return {"name": request.form["name"], "file": len(request.files["file"].read())}


@app.post("/raw")
def raw():
    return {"length": len(request.get_data())}


@app.get("/stream")
def stream():
    return Response(f"{number}\n" for number in range(1000))


@app.get("/environ")
def environ():
    return {key: value for key, value in request.environ.items() if isinstance(value, (str, int, bool))}
