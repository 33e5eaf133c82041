// The routes of routes.rs as applications on the servlet API write them, each server with its
// default settings: Tomcat and Jetty by servlet mappings; `spring` by Spring's PathPattern and
// `ant` by the AntPathMatcher of older Spring, both in Tomcat, the first pattern that fits
// answers, as in Spring Security.
//
// java -cp JARS Backends.java NAME=HOST:PORT...

import jakarta.servlet.http.HttpServlet;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import java.util.function.Function;
import java.util.logging.Level;
import java.util.logging.Logger;
import org.apache.catalina.startup.Tomcat;
import org.apache.coyote.AbstractProtocol;
import org.eclipse.jetty.ee10.servlet.ServletContextHandler;
import org.eclipse.jetty.ee10.servlet.ServletHolder;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;
import org.springframework.http.server.PathContainer;
import org.springframework.util.AntPathMatcher;
import org.springframework.web.util.ServletRequestPathUtils;
import org.springframework.web.util.UrlPathHelper;
import org.springframework.web.util.pattern.PathPatternParser;

public final class Backends {
  /** Patterns by the name of their route; the first that fits is the route. */
  private static final Map<String, String> PATTERNS = new LinkedHashMap<>();

  static {
    PATTERNS.put("health", "/actuator/health");
    PATTERNS.put("ws", "/ws");
    PATTERNS.put("hub", "/chatHub");
    PATTERNS.put("socket", "/socket.io/");
    PATTERNS.put("openapi-admin", "/openapi/admin/**");
    PATTERNS.put("openapi", "/openapi/**");
    PATTERNS.put("private", "/public/private");
    PATTERNS.put("public", "/public/**");
    PATTERNS.put("meta", "/files/{id}/meta");
    PATTERNS.put("files", "/files/**");
    PATTERNS.put("post-office", "/mail/post@office");
    PATTERNS.put("mail", "/mail/**");
    PATTERNS.put("paid", "/shop/a+b");
    PATTERNS.put("shop", "/shop/**");
    PATTERNS.put("token", "/{org}/{app}/token");
    PATTERNS.put("users", "/{org}/{app}/users/**");
    PATTERNS.put("site", "/**");
  }

  /** What a servlet knows about its own path, where the mapping alone does not say the route. */
  private static Map<String, Function<HttpServletRequest, String>> mappings() {
    Map<String, Function<HttpServletRequest, String>> mappings = new LinkedHashMap<>();
    PATTERNS.forEach((name, pattern) -> {
      if (!pattern.contains("{") && !pattern.equals("/**")) {
        mappings.put(pattern.replace("/**", "/*"), request -> name);
      }
    });
    mappings.put("/files/*", request -> {
      String path = Objects.requireNonNullElse(request.getPathInfo(), "");
      return path.matches("/[^/]+/meta") ? "meta" : "files";
    });
    mappings.put("/", request -> {
      String path = path(request);
      if (path.matches("/[^/]+/[^/]+/token")) {
        return "token";
      }
      return path.matches("/[^/]+/[^/]+/users(/.*)?") ? "users" : "site";
    });
    return mappings;
  }

  private static String byPathPattern(HttpServletRequest request) {
    PathContainer path = ServletRequestPathUtils.parseAndCache(request).pathWithinApplication();
    return PATTERNS.entrySet().stream()
        .filter(e -> PathPatternParser.defaultInstance.parse(e.getValue()).matches(path))
        .findFirst().orElseThrow().getKey();
  }

  private static String byAntPath(HttpServletRequest request) {
    UrlPathHelper helper = new UrlPathHelper();
    helper.setAlwaysUseFullPath(true);
    String path = helper.getLookupPathForRequest(request);
    AntPathMatcher matcher = new AntPathMatcher();
    // Up to Spring 5, a slash at the end did not matter.
    return PATTERNS.entrySet().stream()
        .filter(e -> matcher.match(e.getValue(), path) || matcher.match(e.getValue() + "/", path))
        .findFirst().orElseThrow().getKey();
  }

  private static String path(HttpServletRequest request) {
    return request.getServletPath() + Objects.requireNonNullElse(request.getPathInfo(), "");
  }

  /** Answers with the route, what the gate says, the target as it came, the path that was seen. */
  private static final class Answer extends HttpServlet {
    private final transient Function<HttpServletRequest, String> route;

    Answer(Function<HttpServletRequest, String> route) {
      this.route = route;
    }

    @Override
    protected void service(HttpServletRequest request, HttpServletResponse response)
        throws IOException {
      String query = request.getQueryString();
      String target = request.getRequestURI() + (query == null ? "" : "?" + query);
      String judged = Objects.requireNonNullElse(request.getHeader("X-Route"), "");
      String text = String.join("\n", route.apply(request), judged, target, path(request));
      byte[] body = text.getBytes(StandardCharsets.UTF_8);
      response.setContentType("text/plain");
      response.setContentLength(body.length);
      response.getOutputStream().write(body);
    }
  }

  private static void tomcat(
      String host, int port, Map<String, Function<HttpServletRequest, String>> mappings)
      throws Exception {
    File directory = Files.createTempDirectory("tomcat").toFile();
    Tomcat tomcat = new Tomcat();
    tomcat.setBaseDir(directory.getPath());
    tomcat.setPort(port);
    var connector = tomcat.getConnector();
    connector.setProperty("address", host);
    var protocol = (AbstractProtocol<?>) connector.getProtocolHandler();
    protocol.setKeepAliveTimeout(600_000);
    connector.setProperty("maxKeepAliveRequests", "-1");
    var context = tomcat.addContext("", directory.getPath());
    mappings.forEach((pattern, route) -> {
      Tomcat.addServlet(context, pattern, new Answer(route));
      context.addServletMappingDecoded(pattern, pattern);
    });
    tomcat.start();
  }

  private static void jetty(
      String host, int port, Map<String, Function<HttpServletRequest, String>> mappings)
      throws Exception {
    Server server = new Server();
    ServerConnector connector = new ServerConnector(server, 1, 1);
    connector.setHost(host);
    connector.setPort(port);
    connector.setIdleTimeout(600_000);
    server.addConnector(connector);
    ServletContextHandler context = new ServletContextHandler("/");
    mappings.forEach((pattern, route) ->
        context.addServlet(new ServletHolder(pattern, new Answer(route)), pattern));
    server.setHandler(context);
    server.start();
  }

  public static void main(String[] arguments) throws Exception {
    Logger.getLogger("").setLevel(Level.WARNING);
    for (String argument : arguments) {
      String[] parts = argument.split("[=:]");
      String host = parts[1];
      int port = Integer.parseInt(parts[2]);
      switch (parts[0]) {
        case "tomcat" -> tomcat(host, port, mappings());
        case "jetty" -> jetty(host, port, mappings());
        case "spring" -> tomcat(host, port, Map.of("/", Backends::byPathPattern));
        case "ant" -> tomcat(host, port, Map.of("/", Backends::byAntPath));
        default -> throw new IllegalArgumentException(argument);
      }
    }
  }
}
