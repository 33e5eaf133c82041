import cn.dev33.satoken.jwt.SaJwtUtil;

import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Prints tokens that the published library of Sa-Token makes, as JSON, one case a line. Which version
 * it is, is the class path's business (generate.sh).
 */
final class Generate {
    private static final String SECRET = "a-secret-of-these-vectors-and-of-nothing-else";
    private static final long TEN_YEARS = 10L * 365 * 24 * 60 * 60;

    private final PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
    private final String version;

    private Generate(String version) {
        this.version = version;
    }

    public static void main(String[] arguments) {
        Generate generate = new Generate(arguments[0]);
        // StpLogicJwtForSimple, with what RuoYi's LoginHelper adds.
        Map<String, Object> ruoyi = new LinkedHashMap<>();
        ruoyi.put("userId", 398120364340178L);
        ruoyi.put("userName", "demo");
        generate.simple("simple mode with RuoYi's claims", "im_user:398120364340178", ruoyi, "398120364340178", "im_user");
        generate.simple("simple mode, nothing else", "im_user:7", null, "7", "im_user");
        generate.simple("simple mode, another user type", "sys_user:1", null, "1", "sys_user");
        generate.simple("simple mode, an id that is a name", "im_user:alice", null, "alice", "im_user");
        // StpLogicJwtForMixin and StpLogicJwtForStateless.
        generate.timed("mixin mode", "im_user:7", "im_web", TEN_YEARS, SECRET, "ok");
        generate.timed("mixin mode, for ever", "im_user:7", "im_web", -1, SECRET, "ok");
        generate.timed("mixin mode, ended at once", "im_user:7", "im_web", -60, SECRET, "expired");
        generate.timed("another secret", "im_user:7", "im_web", TEN_YEARS, SECRET + "x", "bad_signature");
    }

    private void simple(String name, String loginId, Map<String, Object> extra, String subject, String type) {
        String token = SaJwtUtil.createToken("login", loginId, extra, SECRET);
        print(name, token, "ok", subject, type, null);
    }

    private void timed(String name, String loginId, String device, long seconds, String secret, String expected) {
        String token = SaJwtUtil.createToken("login", loginId, device, seconds, null, secret);
        boolean isGood = expected.equals("ok");
        print(name, token, expected, isGood ? "7" : null, isGood ? "im_user" : null, isGood ? device : null);
    }

    private void print(String name, String token, String expected, String subject, String type, String device) {
        out.printf(
                "{\"case\":\"%s: %s\",\"expected\":\"%s\",\"subject\":%s,\"user_type\":%s,\"device_type\":%s,\"token\":\"%s\"}%n",
                version, name, expected, quoted(subject), quoted(type), quoted(device), token);
    }

    private static String quoted(String text) {
        return text == null ? "null" : '"' + text + '"';
    }
}
