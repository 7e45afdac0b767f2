// The Runtime API on one connection that is kept.

import net from 'node:net';
import { Writable } from 'node:stream';

const ROOT = '/2018-06-01/runtime/';

export async function api(address) {
  const [host, port] = address.split(':');
  const socket = net.connect({ host, port: Number(port), noDelay: true });
  await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject));
  return new Connection(socket, address);
}

class Connection {
  constructor(socket, address) {
    this.socket = socket;
    this.host = `Host: ${address}\r\n`;
    this.asking = `GET ${ROOT}invocation/next HTTP/1.1\r\n${this.host}\r\n`;
    this.arrived = [];
    this.size = 0;
    this.waiting = null;
    socket.on('data', (data) => {
      this.arrived.push(data);
      this.size += data.length;
      this.look();
    });
    socket.on('close', () => process.exit(0));
    socket.on('error', () => process.exit(0));
  }

  rest() {
    this.socket.unref();
  }

  async next(receipts = 0) {
    this.socket.ref();
    this.socket.write(this.asking);
    for (let i = 0; i < receipts; i++) await this.answer();
    return await this.answer();
  }

  // Posts the answer to one event; resolves to the next event, or at once where it is the last.
  async answered(id, body, errorType = '', last = false) {
    this.socket.ref();
    this.socket.write(this.posting(`invocation/${id}/${errorType ? 'error' : 'response'}`, body, errorType) + (last ? '' : this.asking));
    await this.answer();
    return last ? null : await this.answer();
  }

  async post(path, body, errorType) {
    this.socket.ref();
    this.socket.write(this.posting(path, body, errorType));
    await this.answer();
  }

  posting(path, body, errorType) {
    const kind = errorType ? `Lambda-Runtime-Function-Error-Type: ${errorType.replace(/[^\x20-\x7e]/g, '?')}\r\n` : '';
    const length = Buffer.byteLength(body);
    return `POST ${ROOT}${path} HTTP/1.1\r\n${this.host}${kind}Content-Type: application/json\r\nContent-Length: ${length}\r\n\r\n${body}`;
  }

  stream(id) {
    return new Response(this, id);
  }

  answer() {
    return new Promise((resolve) => {
      this.waiting = resolve;
      this.look();
    });
  }

  look() {
    if (!this.waiting || !this.size || this.size < this.needed) return;
    const all = this.arrived.length === 1 ? this.arrived[0] : Buffer.concat(this.arrived, this.size);
    this.arrived = [all];
    const end = all.indexOf('\r\n\r\n');
    if (end < 0) return;
    const headers = {};
    for (const line of all.toString('utf8', 0, end).split('\r\n').slice(1)) {
      const colon = line.indexOf(':');
      headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim();
    }
    const after = end + 4 + Number(headers['content-length'] ?? 0);
    this.needed = after; // large events come in many parts, which are put together once
    if (all.length < after) return;
    this.needed = 0;
    this.arrived = all.length > after ? [all.subarray(after)] : [];
    this.size = all.length - after;
    const resolve = this.waiting;
    this.waiting = null;
    resolve({ headers, body: all.subarray(end + 4, after) });
  }
}

// A streamed answer: its head goes out with the first piece, so that the handler can still say what it is.
class Response extends Writable {
  constructor(connection, id) {
    super({ highWaterMark: 1 << 16 });
    this.connection = connection;
    this.id = id;
    this.begun = false;
    this.contentType = 'application/octet-stream';
    this.receipts = 0;
  }

  setContentType(contentType) {
    if (!this.begun) this.contentType = contentType;
  }

  begin() {
    this.begun = true;
    this.receipts = 1;
    const { host, socket } = this.connection;
    socket.ref();
    socket.write(
      `POST ${ROOT}invocation/${this.id}/response HTTP/1.1\r\n${host}Content-Type: ${this.contentType}\r\n` +
        'Lambda-Runtime-Function-Response-Mode: streaming\r\nTransfer-Encoding: chunked\r\n' +
        'Trailer: Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body\r\n\r\n',
    );
  }

  onBeforeFirstWrite(write) {
    this.first = write;
  }

  _write(piece, encoding, done) {
    if (!this.begun) {
      this.begin();
      this.first?.((prelude) => this.chunk(Buffer.from(prelude)));
    }
    this.chunk(piece, done);
  }

  chunk(piece, done) {
    const { socket } = this.connection;
    if (!piece.length) return done?.();
    socket.cork();
    socket.write(`${piece.length.toString(16)}\r\n`);
    socket.write(piece);
    socket.write('\r\n', done);
    socket.uncork();
  }

  _final(done) {
    if (!this.begun) {
      this.begin();
      this.first?.((prelude) => this.chunk(Buffer.from(prelude)));
    }
    this.connection.socket.write('0\r\n\r\n', done);
  }

  // The handler failed when some had been sent already.
  failed(said) {
    if (this.writableEnded) return;
    const body = Buffer.from(JSON.stringify(said)).toString('base64');
    this._final = (done) => done();
    this.connection.socket.write(
      `0\r\nLambda-Runtime-Function-Error-Type: ${said.errorType}\r\nLambda-Runtime-Function-Error-Body: ${body}\r\n\r\n`,
    );
    this.destroy();
  }
}
