// The global `awslambda`: how a handler says that it streams its answer.

export const streamed = Symbol.for('aws.lambda.runtime.handler.streaming');

globalThis.awslambda = {
  streamifyResponse(handler, options) {
    handler[streamed] = options ?? true;
    return handler;
  },
  HttpResponseStream: {
    // Status, headers and cookies go before the body, eight zero bytes between.
    from(response, prelude) {
      response.setContentType('application/vnd.awslambda.http-integration-response');
      const said = JSON.stringify(prelude);
      response.onBeforeFirstWrite((write) => {
        write(said);
        write(new Uint8Array(8));
      });
      return response;
    },
  },
};
