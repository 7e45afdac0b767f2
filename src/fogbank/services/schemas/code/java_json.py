"""JSON in Java, for code bindings that need nothing but Java itself."""

JSON = r"""package PACKAGE.marshaller;

import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Reads and writes JSON: maps, lists, strings, numbers (Long, BigDecimal), booleans and null. */
final class Json {
    private final String text;
    private int place;

    private Json(String text) {
        this.text = text;
    }

    static Object read(String text) {
        Json json = new Json(text);
        Object value = json.value();
        json.space();
        if (json.place != text.length()) {
            throw json.wrong();
        }
        return value;
    }

    private IllegalArgumentException wrong() {
        return new IllegalArgumentException("JSON is not valid at " + place);
    }

    private void space() {
        while (place < text.length() && " \t\r\n".indexOf(text.charAt(place)) >= 0) {
            place++;
        }
    }

    private boolean take(char wanted) {
        space();
        if (place < text.length() && text.charAt(place) == wanted) {
            place++;
            return true;
        }
        return false;
    }

    private void need(char wanted) {
        if (!take(wanted)) {
            throw wrong();
        }
    }

    private Object value() {
        space();
        if (take('{')) {
            return object();
        }
        if (take('[')) {
            return array();
        }
        if (place < text.length() && text.charAt(place) == '"') {
            return string();
        }
        int start = place;
        while (place < text.length() && ",]} \t\r\n".indexOf(text.charAt(place)) < 0) {
            place++;
        }
        String word = text.substring(start, place);
        switch (word) {
            case "null":
                return null;
            case "true":
                return Boolean.TRUE;
            case "false":
                return Boolean.FALSE;
            default:
                return number(word);
        }
    }

    private Object number(String word) {
        try {
            BigDecimal value = new BigDecimal(word);
            return word.matches("-?\\d{1,18}") ? (Object) value.longValueExact() : value;
        } catch (NumberFormatException problem) {
            throw wrong();
        }
    }

    private Map<String, Object> object() {
        Map<String, Object> made = new LinkedHashMap<>();
        if (take('}')) {
            return made;
        }
        do {
            space();
            String name = string();
            need(':');
            made.put(name, value());
        } while (take(','));
        need('}');
        return made;
    }

    private List<Object> array() {
        List<Object> made = new ArrayList<>();
        if (take(']')) {
            return made;
        }
        do {
            made.add(value());
        } while (take(','));
        need(']');
        return made;
    }

    private String string() {
        need('"');
        StringBuilder made = new StringBuilder();
        while (place < text.length()) {
            char letter = text.charAt(place++);
            if (letter == '"') {
                return made.toString();
            }
            made.append(letter == '\\' ? escaped() : letter);
        }
        throw wrong();
    }

    private char escaped() {
        if (place >= text.length()) {
            throw wrong();
        }
        char letter = text.charAt(place++);
        int known = "bfnrt".indexOf(letter);
        if (known >= 0) {
            return "\b\f\n\r\t".charAt(known);
        }
        if (letter != 'u') {
            return letter;
        }
        if (place + 4 > text.length()) {
            throw wrong();
        }
        place += 4;
        return (char) Integer.parseInt(text.substring(place - 4, place), 16);
    }

    static String write(Object value) {
        StringBuilder out = new StringBuilder();
        write(out, value);
        return out.toString();
    }

    private static void write(StringBuilder out, Object value) {
        if (value instanceof Map) {
            String between = "{";
            for (Map.Entry<?, ?> entry : ((Map<?, ?>) value).entrySet()) {
                out.append(between);
                quote(out, entry.getKey().toString());
                out.append(':');
                write(out, entry.getValue());
                between = ",";
            }
            out.append(((Map<?, ?>) value).isEmpty() ? "{}" : "}");
        } else if (value instanceof List) {
            String between = "[";
            for (Object one : (List<?>) value) {
                out.append(between);
                write(out, one);
                between = ",";
            }
            out.append(((List<?>) value).isEmpty() ? "[]" : "]");
        } else if (value instanceof BigDecimal) {
            out.append(((BigDecimal) value).toPlainString());
        } else if (value == null || value instanceof Number || value instanceof Boolean) {
            out.append(value);
        } else {
            quote(out, value.toString());
        }
    }

    private static void quote(StringBuilder out, String text) {
        out.append('"');
        for (char letter : text.toCharArray()) {
            if (letter == '"' || letter == '\\') {
                out.append('\\').append(letter);
            } else if (letter < ' ') {
                out.append(String.format("\\u%04x", (int) letter));
            } else {
                out.append(letter);
            }
        }
        out.append('"');
    }
}
"""
