package fogbank;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.lang.reflect.Type;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** The loop: asks the Runtime API for an event, has the handler answer it, posts the answer and asks again in one go. */
public final class Bootstrap {
    private static final String ROOT = "/2018-06-01/runtime/";

    private final InputStream in;
    private final OutputStream out;
    private final byte[] next;
    private final String host;

    private Bootstrap(String address) throws IOException {
        String[] parts = address.split(":");
        Socket socket = new Socket(parts[0], Integer.parseInt(parts[1]));
        socket.setTcpNoDelay(true);
        in = new java.io.BufferedInputStream(socket.getInputStream(), 1 << 16);
        out = socket.getOutputStream();
        host = "Host: " + address + "\r\n";
        next = ("GET " + ROOT + "invocation/next HTTP/1.1\r\n" + host + "\r\n").getBytes(StandardCharsets.US_ASCII);
    }

    public static void main(String[] arguments) throws Exception {
        Bootstrap api = new Bootstrap(System.getenv("AWS_LAMBDA_RUNTIME_API"));
        Handler handler = null;
        try {
            handler = Handler.find(System.getenv("_HANDLER"));
        } catch (Throwable problem) {
            Throwable cause = problem instanceof InvocationTargetException ? problem.getCause() : problem;
            api.out.write(api.posting("init/error", failure(cause), kind(cause)));
            api.answer();
            System.exit(1);
        }
        api.out.write(api.next);
        Event event = api.answer();
        while (true) {
            String id = event.headers.get("lambda-runtime-aws-request-id");
            String trace = event.headers.get("lambda-runtime-trace-id");
            if (trace != null) System.setProperty("com.amazonaws.xray.traceHeader", trace);
            else System.clearProperty("com.amazonaws.xray.traceHeader");
            byte[] posting;
            try {
                posting = api.posting("invocation/" + id + "/response", handler.handle(event), null);
            } catch (Throwable problem) {
                Throwable cause = problem instanceof InvocationTargetException ? problem.getCause() : problem;
                posting = api.posting("invocation/" + id + "/error", failure(cause), kind(cause));
            }
            System.out.flush();
            byte[] both = Arrays.copyOf(posting, posting.length + api.next.length);
            System.arraycopy(api.next, 0, both, posting.length, api.next.length);
            api.out.write(both);
            api.answer();
            event = api.answer();
        }
    }

    static final class Event {
        final Map<String, String> headers = new HashMap<>();
        byte[] body;
    }

    private byte[] posting(String path, byte[] body, String kind) {
        String head = "POST " + ROOT + path + " HTTP/1.1\r\n" + host + "Content-Type: application/json\r\nContent-Length: " + body.length
            + "\r\n" + (kind == null ? "" : "Lambda-Runtime-Function-Error-Type: " + kind + "\r\n") + "\r\n";
        byte[] first = head.getBytes(StandardCharsets.US_ASCII);
        byte[] all = Arrays.copyOf(first, first.length + body.length);
        System.arraycopy(body, 0, all, first.length, body.length);
        return all;
    }

    private Event answer() throws IOException {
        Event event = new Event();
        line();
        for (String line = line(); !line.isEmpty(); line = line()) {
            int colon = line.indexOf(':');
            event.headers.put(line.substring(0, colon).toLowerCase(), line.substring(colon + 1).trim());
        }
        event.body = in.readNBytes(Integer.parseInt(event.headers.getOrDefault("content-length", "0")));
        return event;
    }

    private String line() throws IOException {
        ByteArrayOutputStream line = new ByteArrayOutputStream();
        for (int c = in.read(); c != '\n'; c = in.read()) {
            if (c < 0) System.exit(0);
            if (c != '\r') line.write(c);
        }
        return line.toString(StandardCharsets.UTF_8);
    }

    /** A failure with a type of Lambda's own. */
    static final class Fault extends Exception {
        final String kind;

        Fault(String kind, String message) {
            super(message);
            this.kind = kind;
        }
    }

    private static String kind(Throwable problem) {
        return problem instanceof Fault ? ((Fault) problem).kind : problem.getClass().getName();
    }

    private static byte[] failure(Throwable problem) {
        java.io.StringWriter trace = new java.io.StringWriter();
        problem.printStackTrace(new java.io.PrintWriter(trace, true));
        System.out.println((problem.getMessage() + ": " + kind(problem) + "\n" + trace).stripTrailing().replace('\n', '\r'));
        return Json.write(told(problem, 0)).getBytes(StandardCharsets.UTF_8);
    }

    private static Map<String, Object> told(Throwable problem, int depth) {
        Map<String, Object> said = new LinkedHashMap<>();
        said.put("errorMessage", problem.getMessage() == null ? problem.toString() : problem.getMessage());
        said.put("errorType", kind(problem));
        List<String> trace = new ArrayList<>();
        for (StackTraceElement frame : problem.getStackTrace()) {
            String name = frame.getClassName();
            if (name.startsWith("fogbank.") || name.startsWith("jdk.internal.reflect.")) break;
            trace.add(frame.toString());
        }
        said.put("stackTrace", trace);
        if (problem.getCause() != null && depth < 8) said.put("cause", told(problem.getCause(), depth + 1));
        return said;
    }

    /** What is called: a method, or one of the interfaces of aws-lambda-java-core, which the function's own jar brings along. */
    static final class Handler {
        private final Object instance;
        private final Method method;

        private Handler(Object instance, Method method) {
            this.instance = instance;
            this.method = method;
            method.setAccessible(true);
        }

        static Handler find(String name) throws Exception {
            String[] parts = name.split("::", 2);
            Class<?> type;
            try {
                type = Class.forName(parts[0]);
            } catch (ClassNotFoundException problem) {
                throw new Fault("java.lang.ClassNotFoundException", "Class not found: " + parts[0]);
            }
            String wanted = parts.length > 1 ? parts[1] : "handleRequest";
            // As AWS chooses: a last parameter of type Context first, then more parameters.
            Method method = Arrays.stream(type.getMethods())
                .filter(each -> each.getName().equals(wanted) && !each.isBridge())
                .max(Comparator.comparing((Method each) -> takesContext(each)).thenComparing(Method::getParameterCount))
                .orElseThrow(() -> new Fault("java.lang.NoSuchMethodException", "No public method named " + wanted + " on class " + type));
            Object instance = Modifier.isStatic(method.getModifiers()) ? null : type.getDeclaredConstructor().newInstance();
            return new Handler(instance, method);
        }

        private static boolean takesContext(Method method) {
            Class<?>[] types = method.getParameterTypes();
            return types.length > 0 && types[types.length - 1].getName().equals(Context.NAME);
        }

        byte[] handle(Event event) throws Throwable {
            Type[] types = method.getGenericParameterTypes();
            Class<?>[] classes = method.getParameterTypes();
            Object[] given = new Object[types.length];
            ByteArrayOutputStream written = null;
            for (int i = 0; i < types.length; i++) {
                if (classes[i].getName().equals(Context.NAME)) given[i] = Context.of(classes[i], event.headers);
                else if (classes[i] == InputStream.class) given[i] = new ByteArrayInputStream(event.body);
                else if (classes[i] == OutputStream.class) given[i] = written = new ByteArrayOutputStream();
                else given[i] = Json.bind(Json.read(new String(event.body, StandardCharsets.UTF_8)), types[i]);
            }
            Object result = method.invoke(instance, given);
            return written != null ? written.toByteArray() : Json.write(result).getBytes(StandardCharsets.UTF_8);
        }
    }
}
