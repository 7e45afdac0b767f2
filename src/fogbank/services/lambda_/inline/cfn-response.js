// How inline code of a custom resource answers CloudFormation: response.send(event, context, response.SUCCESS, {...}).
"use strict";

exports.SUCCESS = "SUCCESS";
exports.FAILED = "FAILED";

exports.send = function (event, context, responseStatus, responseData, physicalResourceId, noEcho) {
  const answer = Buffer.from(
    JSON.stringify({
      Status: responseStatus,
      Reason: "See the details in CloudWatch Log Stream: " + context.logStreamName,
      PhysicalResourceId: physicalResourceId || context.logStreamName,
      StackId: event.StackId,
      RequestId: event.RequestId,
      LogicalResourceId: event.LogicalResourceId,
      NoEcho: noEcho || false,
      Data: responseData,
    }),
  );
  const url = new URL(event.ResponseURL);
  const options = { method: "PUT", headers: { "content-type": "", "content-length": answer.length } };
  return new Promise((resolve) => {
    const over = (text) => {
      console.log(text);
      context.done();
      resolve();
    };
    const request = require(url.protocol.slice(0, -1)).request(url, options, (response) => {
      response.resume();
      over("Status code: " + response.statusCode);
    });
    request.on("error", (problem) => over("send(..) failed executing the request: " + problem));
    request.end(answer);
  });
};
