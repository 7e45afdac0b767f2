package fogbank;

import java.io.PrintStream;
import java.lang.reflect.Proxy;
import java.nio.charset.StandardCharsets;
import java.util.Map;

/** The context object: an implementation of the interface that the function's own jar has, whatever its version. */
final class Context {
    static final String NAME = "com.amazonaws.services.lambda.runtime.Context";

    private Context() {}

    static Object of(Class<?> type, Map<String, String> headers) {
        long deadline = Long.parseLong(headers.get("lambda-runtime-deadline-ms"));
        return Proxy.newProxyInstance(type.getClassLoader(), new Class<?>[] {type}, (proxy, method, arguments) -> {
            switch (method.getName()) {
                case "getAwsRequestId": return headers.get("lambda-runtime-aws-request-id");
                case "getLogGroupName": return System.getenv("AWS_LAMBDA_LOG_GROUP_NAME");
                case "getLogStreamName": return System.getenv("AWS_LAMBDA_LOG_STREAM_NAME");
                case "getFunctionName": return System.getenv("AWS_LAMBDA_FUNCTION_NAME");
                case "getFunctionVersion": return System.getenv("AWS_LAMBDA_FUNCTION_VERSION");
                case "getInvokedFunctionArn": return headers.get("lambda-runtime-invoked-function-arn");
                case "getMemoryLimitInMB": return Integer.valueOf(System.getenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE"));
                case "getRemainingTimeInMillis": return (int) Math.max(deadline - System.currentTimeMillis(), 0);
                case "getLogger": return logger(method.getReturnType());
                case "getIdentity": return said(method.getReturnType(), headers.get("lambda-runtime-cognito-identity"));
                case "getClientContext": return said(method.getReturnType(), headers.get("lambda-runtime-client-context"));
                case "toString": return "Context[" + headers.get("lambda-runtime-aws-request-id") + "]";
                case "hashCode": return System.identityHashCode(proxy);
                case "equals": return proxy == arguments[0];
                default: return null;
            }
        });
    }

    private static Object logger(Class<?> type) {
        PrintStream out = System.out;
        return Proxy.newProxyInstance(type.getClassLoader(), new Class<?>[] {type}, (proxy, method, arguments) -> {
            if (method.getName().equals("log") && arguments != null) {
                String text = arguments[0] instanceof byte[] ? new String((byte[]) arguments[0], StandardCharsets.UTF_8) : String.valueOf(arguments[0]);
                out.print(text.endsWith("\n") ? text : text + "\n");
                out.flush();
            }
            return null;
        });
    }

    /** CognitoIdentity, ClientContext or Client: getX answers what JSON has as x, or as it is called in the client's context. */
    private static Object said(Class<?> type, String json) {
        return json == null ? null : said(type, Json.read(json));
    }

    private static Object said(Class<?> type, Object document) {
        if (!(document instanceof Map)) return null;
        Map<?, ?> members = (Map<?, ?>) document;
        return Proxy.newProxyInstance(type.getClassLoader(), new Class<?>[] {type}, (proxy, method, arguments) -> {
            String name = method.getName().replaceFirst("^get", "");
            switch (name) {
                case "IdentityId": return members.get("cognitoIdentityId");
                case "IdentityPoolId": return members.get("cognitoIdentityPoolId");
                case "Environment": return members.get("env");
                case "Client": return said(method.getReturnType(), members.get("client"));
                case "hashCode": return System.identityHashCode(proxy);
                case "equals": return proxy == arguments[0];
                case "toString": return members.toString();
                default: return members.get(name.replaceAll("(?<=.)([A-Z])", "_$1").toLowerCase()) != null
                    ? members.get(name.replaceAll("(?<=.)([A-Z])", "_$1").toLowerCase()) : members.get(name.toLowerCase());
            }
        });
    }
}
