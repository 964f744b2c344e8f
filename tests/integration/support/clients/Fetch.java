import java.net.HttpURLConnection;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;

/** Both of the JDK's own clients, with nothing set. */
class Fetch {
  public static void main(String[] args) throws Exception {
    URI uri = URI.create(args[1]);
    if (args[0].equals("client")) {
      HttpResponse<String> answer = HttpClient.newHttpClient().send(
          HttpRequest.newBuilder(uri).build(), HttpResponse.BodyHandlers.ofString());
      System.out.println(answer.statusCode() + " " + answer.body());
    } else {
      HttpURLConnection connection = (HttpURLConnection) uri.toURL().openConnection();
      System.out.println(connection.getResponseCode() + " " + new String(connection.getInputStream().readAllBytes()));
    }
  }
}
