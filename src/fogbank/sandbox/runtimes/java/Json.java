package fogbank;

import java.lang.reflect.Array;
import java.lang.reflect.Constructor;
import java.lang.reflect.Field;
import java.lang.reflect.GenericArrayType;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.RecordComponent;
import java.lang.reflect.Type;
import java.lang.reflect.TypeVariable;
import java.lang.reflect.WildcardType;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** JSON as documents of maps, lists, text, numbers and booleans; as objects with setters and getters; and as text. */
final class Json {
    private final String text;
    private int at;

    private Json(String text) {
        this.text = text;
    }

    // reading

    static Object read(String text) {
        Json reader = new Json(text);
        Object value = reader.value();
        reader.space();
        if (reader.at < text.length()) throw reader.wrong();
        return value;
    }

    private IllegalArgumentException wrong() {
        return new IllegalArgumentException("An error occurred during JSON parsing at character " + at);
    }

    private void space() {
        while (at < text.length() && " \t\r\n".indexOf(text.charAt(at)) >= 0) at++;
    }

    private boolean take(char c) {
        space();
        if (at < text.length() && text.charAt(at) == c) {
            at++;
            return true;
        }
        return false;
    }

    private Object value() {
        space();
        if (at >= text.length()) throw wrong();
        char c = text.charAt(at);
        if (c == '{') return object();
        if (c == '[') return list();
        if (c == '"') return string();
        for (Object[] word : new Object[][] {{"true", true}, {"false", false}, {"null", null}}) {
            if (text.startsWith((String) word[0], at)) {
                at += ((String) word[0]).length();
                return word[1];
            }
        }
        int start = at;
        while (at < text.length() && "+-.eE0123456789".indexOf(text.charAt(at)) >= 0) at++;
        String number = text.substring(start, at);
        try {
            if (number.matches("-?\\d+")) {
                BigInteger whole = new BigInteger(number);
                if (whole.bitLength() < 32) return whole.intValue();
                return whole.bitLength() < 64 ? (Object) whole.longValue() : whole;
            }
            return Double.valueOf(number);
        } catch (NumberFormatException problem) {
            throw wrong();
        }
    }

    private Map<String, Object> object() {
        Map<String, Object> members = new LinkedHashMap<>();
        at++;
        if (take('}')) return members;
        do {
            space();
            if (at >= text.length() || text.charAt(at) != '"') throw wrong();
            String name = string();
            if (!take(':')) throw wrong();
            members.put(name, value());
        } while (take(','));
        if (!take('}')) throw wrong();
        return members;
    }

    private List<Object> list() {
        List<Object> items = new ArrayList<>();
        at++;
        if (take(']')) return items;
        do items.add(value()); while (take(','));
        if (!take(']')) throw wrong();
        return items;
    }

    private String string() {
        StringBuilder said = new StringBuilder();
        for (at++; at < text.length(); at++) {
            char c = text.charAt(at);
            if (c == '"') {
                at++;
                return said.toString();
            }
            if (c != '\\') {
                said.append(c);
                continue;
            }
            if (++at >= text.length()) break;
            c = text.charAt(at);
            int known = "bfnrt\"\\/".indexOf(c);
            if (c == 'u' && at + 4 < text.length()) {
                said.append((char) Integer.parseInt(text.substring(at + 1, at + 5), 16));
                at += 4;
            } else if (known >= 0) said.append("\b\f\n\r\t\"\\/".charAt(known));
            else throw wrong();
        }
        throw wrong();
    }

    // to objects

    static Object bind(Object value, Type type) throws ReflectiveOperationException {
        if (type instanceof ParameterizedType) {
            ParameterizedType given = (ParameterizedType) type;
            return bind(value, (Class<?>) given.getRawType(), given.getActualTypeArguments());
        }
        if (type instanceof Class) return bind(value, (Class<?>) type, new Type[0]);
        if (type instanceof WildcardType) return bind(value, ((WildcardType) type).getUpperBounds()[0]);
        if (type instanceof TypeVariable) return bind(value, ((TypeVariable<?>) type).getBounds()[0]);
        Type item = ((GenericArrayType) type).getGenericComponentType();
        return array((List<?>) value, item, (Class<?>) ((ParameterizedType) item).getRawType());
    }

    @SuppressWarnings({"unchecked", "rawtypes"})
    private static Object bind(Object value, Class<?> type, Type[] inner) throws ReflectiveOperationException {
        if (type == Object.class || (value == null && !type.isPrimitive())) return value;
        if (type == String.class || type == CharSequence.class) {
            if (value instanceof Map || value instanceof List) {
                throw new IllegalArgumentException("An error occurred during JSON parsing: cannot deserialize a " + (value instanceof Map ? "JSON object" : "JSON array") + " as java.lang.String");
            }
            return String.valueOf(value);
        }
        if (type == boolean.class || type == Boolean.class) return value instanceof Boolean ? value : Boolean.valueOf(String.valueOf(value));
        if (type == char.class || type == Character.class) return String.valueOf(value).charAt(0);
        if (type.isPrimitive() || Number.class.isAssignableFrom(type)) return number(value, type);
        if (type.isEnum()) return Enum.valueOf((Class<? extends Enum>) type, String.valueOf(value));
        if (type == Optional.class) return Optional.of(bind(value, inner.length > 0 ? inner[0] : Object.class));
        if (type.isArray()) return array((List<?>) value, type.getComponentType(), type.getComponentType());
        if (Map.class.isAssignableFrom(type)) {
            Map made = type.isInterface() ? new LinkedHashMap() : (Map) type.getDeclaredConstructor().newInstance();
            for (Map.Entry<?, ?> entry : ((Map<?, ?>) value).entrySet()) {
                made.put(inner.length > 1 ? bind(entry.getKey(), inner[0]) : entry.getKey(), bind(entry.getValue(), inner.length > 1 ? inner[1] : Object.class));
            }
            return made;
        }
        if (Collection.class.isAssignableFrom(type)) {
            Collection made = type.isAssignableFrom(ArrayList.class) ? new ArrayList()
                : type.isAssignableFrom(LinkedHashSet.class) ? new LinkedHashSet() : (Collection) type.getDeclaredConstructor().newInstance();
            for (Object item : (List<?>) value) made.add(bind(item, inner.length > 0 ? inner[0] : Object.class));
            return made;
        }
        if (!(value instanceof Map)) return type.getConstructor(String.class).newInstance(String.valueOf(value));
        return type.isRecord() ? record((Map<?, ?>) value, type) : bean((Map<?, ?>) value, type);
    }

    private static Object array(List<?> items, Type item, Class<?> raw) throws ReflectiveOperationException {
        Object made = Array.newInstance(raw, items.size());
        for (int i = 0; i < items.size(); i++) Array.set(made, i, bind(items.get(i), item));
        return made;
    }

    private static Object number(Object value, Class<?> type) {
        BigDecimal number = new BigDecimal(value == null ? "0" : String.valueOf(value));
        if (type == int.class || type == Integer.class) return number.intValue();
        if (type == long.class || type == Long.class) return number.longValue();
        if (type == double.class || type == Double.class) return number.doubleValue();
        if (type == float.class || type == Float.class) return number.floatValue();
        if (type == short.class || type == Short.class) return number.shortValue();
        if (type == byte.class || type == Byte.class) return number.byteValue();
        return type == BigInteger.class ? number.toBigInteger() : type == BigDecimal.class ? (Object) number : value;
    }

    private static Object record(Map<?, ?> members, Class<?> type) throws ReflectiveOperationException {
        RecordComponent[] parts = type.getRecordComponents();
        Class<?>[] types = new Class<?>[parts.length];
        Object[] given = new Object[parts.length];
        for (int i = 0; i < parts.length; i++) {
            types[i] = parts[i].getType();
            given[i] = bind(members.get(parts[i].getName()), parts[i].getGenericType());
        }
        Constructor<?> constructor = type.getDeclaredConstructor(types);
        constructor.setAccessible(true);
        return constructor.newInstance(given);
    }

    /** An object with setters or public fields; names are compared without regard to case. */
    private static Object bean(Map<?, ?> members, Class<?> type) throws ReflectiveOperationException {
        Constructor<?> constructor = type.getDeclaredConstructor();
        constructor.setAccessible(true);
        Object made = constructor.newInstance();
        Map<String, Object> wanted = new LinkedHashMap<>();
        members.forEach((name, value) -> wanted.put(String.valueOf(name).toLowerCase(), value));
        for (Method method : type.getMethods()) {
            if (method.getName().startsWith("set") && method.getParameterCount() == 1 && !method.isBridge()) {
                String name = method.getName().substring(3).toLowerCase();
                if (wanted.containsKey(name)) {
                    method.setAccessible(true);
                    method.invoke(made, bind(wanted.remove(name), method.getGenericParameterTypes()[0]));
                }
            }
        }
        for (Field field : type.getFields()) {
            String name = field.getName().toLowerCase();
            if (wanted.containsKey(name) && !Modifier.isFinal(field.getModifiers())) field.set(made, bind(wanted.get(name), field.getGenericType()));
        }
        return made;
    }

    // writing

    static String write(Object value) {
        StringBuilder said = new StringBuilder();
        try {
            write(value, said);
        } catch (ReflectiveOperationException problem) {
            throw new IllegalStateException("An error occurred during JSON serialization of response", problem);
        }
        return said.toString();
    }

    private static void write(Object value, StringBuilder said) throws ReflectiveOperationException {
        if (value == null) said.append("null");
        else if (value instanceof Number || value instanceof Boolean) said.append(value);
        else if (value instanceof CharSequence || value instanceof Character || value instanceof Enum || value.getClass().getName().startsWith("java.time.")) quote(value.toString(), said);
        else if (value instanceof Optional) write(((Optional<?>) value).orElse(null), said);
        else if (value instanceof Map) members((Map<?, ?>) value, said);
        else if (value instanceof Iterable) items((Iterable<?>) value, said);
        else if (value.getClass().isArray()) {
            List<Object> items = new ArrayList<>();
            for (int i = 0; i < Array.getLength(value); i++) items.add(Array.get(value, i));
            items(items, said);
        } else members(properties(value), said);
    }

    private static Map<String, Object> properties(Object value) throws ReflectiveOperationException {
        Map<String, Object> members = new LinkedHashMap<>();
        Class<?> type = value.getClass();
        if (type.isRecord()) {
            for (RecordComponent part : type.getRecordComponents()) {
                part.getAccessor().setAccessible(true);
                members.put(part.getName(), part.getAccessor().invoke(value));
            }
            return members;
        }
        for (Field field : type.getFields()) if (!Modifier.isStatic(field.getModifiers())) members.put(field.getName(), field.get(value));
        for (Method method : type.getMethods()) {
            String name = method.getName().replaceFirst("^(get|is)(?=[A-Z])", "");
            if (method.getParameterCount() > 0 || name.equals(method.getName()) || name.equals("Class") || Modifier.isStatic(method.getModifiers())) continue;
            method.setAccessible(true);
            members.put(Character.toLowerCase(name.charAt(0)) + name.substring(1), method.invoke(value));
        }
        return members;
    }

    private static void members(Map<?, ?> members, StringBuilder said) throws ReflectiveOperationException {
        String before = "{";
        for (Map.Entry<?, ?> member : members.entrySet()) {
            said.append(before);
            quote(String.valueOf(member.getKey()), said);
            said.append(':');
            write(member.getValue(), said);
            before = ",";
        }
        said.append(members.isEmpty() ? "{}" : "}");
    }

    private static void items(Iterable<?> items, StringBuilder said) throws ReflectiveOperationException {
        String before = "[";
        for (Object item : items) {
            said.append(before);
            write(item, said);
            before = ",";
        }
        said.append(before.equals("[") ? "[]" : "]");
    }

    private static void quote(String text, StringBuilder said) {
        said.append('"');
        for (char c : text.toCharArray()) {
            int known = "\b\f\n\r\t\"\\".indexOf(c);
            if (known >= 0) said.append('\\').append("bfnrt\"\\".charAt(known));
            else if (c < 32) said.append(String.format("\\u%04x", (int) c));
            else said.append(c);
        }
        said.append('"');
    }
}
