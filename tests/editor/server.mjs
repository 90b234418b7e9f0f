// A client of yaml-language-server: as much of the language server protocol as the tests need.

import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

const executable = fileURLToPath(new URL("node_modules/.bin/yaml-language-server", import.meta.url));
const capabilities = {
    textDocument: {
        completion: { completionItem: { snippetSupport: true, documentationFormat: ["markdown", "plaintext"] } },
        hover: { contentFormat: ["markdown", "plaintext"] },
        publishDiagnostics: {},
    },
};
// The schema comes from the document's first line alone: the store is on the network.
const settings = { yaml: { schemaStore: { enable: false }, validate: true, hover: true, completion: true } };

export class Server {
    #process = spawn(process.execPath, [executable, "--stdio"], { stdio: ["pipe", "pipe", "inherit"] });
    #received = Buffer.alloc(0);
    #answers = new Map();
    #diagnostics = new Map();
    #requests = 0;

    static async start() {
        const server = new Server();
        server.#process.stdout.on("data", (chunk) => server.#receive(chunk));
        await server.request("initialize", { processId: process.pid, rootUri: null, capabilities });
        server.#notify("initialized", {});
        server.#notify("workspace/didChangeConfiguration", { settings });
        return server;
    }

    async stop() {
        await this.request("shutdown");
        this.#notify("exit");
    }

    /** Opens a document; resolves to its diagnostics. */
    open(uri, text) {
        const published = new Promise((resolve) => this.#diagnostics.set(uri, resolve));
        this.#notify("textDocument/didOpen", { textDocument: { uri, languageId: "yaml", version: 1, text } });
        return published;
    }

    close(uri) {
        this.#diagnostics.delete(uri);
        this.#notify("textDocument/didClose", { textDocument: { uri } });
    }

    request(method, params) {
        const id = ++this.#requests;
        this.#send({ id, method, params });
        return new Promise((resolve, reject) => this.#answers.set(id, { resolve, reject }));
    }

    #notify(method, params) {
        this.#send({ method, params });
    }

    #send(message) {
        const body = Buffer.from(JSON.stringify({ jsonrpc: "2.0", ...message }));
        this.#process.stdin.write(`Content-Length: ${body.length}\r\n\r\n`);
        this.#process.stdin.write(body);
    }

    #receive(chunk) {
        this.#received = Buffer.concat([this.#received, chunk]);
        for (;;) {
            const end = this.#received.indexOf("\r\n\r\n");
            if (end < 0) return;
            const start = end + 4;
            const length = Number(/Content-Length: (\d+)/i.exec(this.#received.toString("latin1", 0, end))[1]);
            if (this.#received.length < start + length) return;
            const message = JSON.parse(this.#received.toString("utf8", start, start + length));
            this.#received = this.#received.subarray(start + length);
            this.#handle(message);
        }
    }

    #handle({ id, method, params, result, error }) {
        if (method === "textDocument/publishDiagnostics") {
            this.#diagnostics.get(params.uri)?.(params.diagnostics);
        } else if (method === "workspace/configuration") {
            this.#send({ id, result: params.items.map(({ section }) => settings[section] ?? null) });
        } else if (method !== undefined) {
            if (id !== undefined) this.#send({ id, result: null });
        } else if (error) {
            this.#answers.get(id).reject(new Error(error.message));
        } else {
            this.#answers.get(id).resolve(result);
        }
    }
}
