import io.grpc.CallOptions;
import io.grpc.ManagedChannelBuilder;
import io.grpc.MethodDescriptor;
import io.grpc.stub.ClientCalls;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;

/** One unary call with grpc-java, with nothing set: its target and its method. Messages are plain text. */
class Call {
  public static void main(String[] args) {
    MethodDescriptor<String, String> method = MethodDescriptor.newBuilder(new Text(), new Text())
        .setType(MethodDescriptor.MethodType.UNARY).setFullMethodName(args[1]).build();
    System.out.println(ClientCalls.blockingUnaryCall(
        ManagedChannelBuilder.forTarget(args[0]).build(), method, CallOptions.DEFAULT, "hi"));
    System.exit(0);
  }

  static class Text implements MethodDescriptor.Marshaller<String> {
    @Override
    public InputStream stream(String value) {
      return new ByteArrayInputStream(value.getBytes());
    }

    @Override
    public String parse(InputStream stream) {
      try {
        return new String(stream.readAllBytes());
      } catch (IOException error) {
        throw new UncheckedIOException(error);
      }
    }
  }
}
