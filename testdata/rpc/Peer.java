// A server and a client of Java's avro-ipc for `java.py`. The jars are those of PyPI's `pyspark`.
import com.sun.net.httpserver.HttpServer;
import java.io.*;
import java.net.*;
import java.nio.ByteBuffer;
import java.util.*;
import org.apache.avro.*;
import org.apache.avro.generic.*;
import org.apache.avro.io.*;
import org.apache.avro.ipc.*;
import org.apache.avro.ipc.generic.*;

public class Peer {
  static class Sensors extends GenericResponder {
    Sensors(Protocol protocol) { super(protocol); }

    GenericRecord record(String name) { return new GenericData.Record(getLocal().getType("org.example." + name)); }

    @Override
    public Object respond(Protocol.Message message, Object request) throws Exception {
      GenericRecord given = (GenericRecord) request;
      switch (message.getName()) {
        case "describe":
          if (given.get("sensor").toString().equals("?")) throw new IllegalArgumentException("no such sensor");
          return "the sensor " + given.get("sensor");
        case "latest":
          if ((int) given.get("n") > 1000) {
            GenericRecord overload = record("Overload");
            overload.put("retry_after", 3);
            throw new AvroRemoteException(overload);
          }
          List<GenericRecord> rows = new ArrayList<>();
          for (int n = 0; n < (int) given.get("n"); n++) {
            GenericRecord row = record("Reading");
            row.put("sensor", "s" + n);
            row.put("value", n / 4.0);
            rows.add(row);
          }
          return rows;
        case "store":
          return ((List<?>) given.get("readings")).size();
        default:
          System.err.println("log: " + given.get("line"));
          return null;
      }
    }
  }

  // HttpTransceiver's own methods for buffers are not public.
  static List<ByteBuffer> read(InputStream in) throws IOException {
    DataInputStream data = new DataInputStream(in);
    List<ByteBuffer> buffers = new ArrayList<>();
    for (int len = data.readInt(); len > 0; len = data.readInt()) {
      byte[] bytes = new byte[len];
      data.readFully(bytes);
      buffers.add(ByteBuffer.wrap(bytes));
    }
    return buffers;
  }

  static void write(List<ByteBuffer> buffers, OutputStream out) throws IOException {
    DataOutputStream data = new DataOutputStream(out);
    for (ByteBuffer buffer : buffers) {
      data.writeInt(buffer.remaining());
      data.write(buffer.array(), buffer.position(), buffer.remaining());
    }
    data.writeInt(0);
    data.flush();
  }

  public static void main(String[] args) throws Exception {
    Protocol protocol = Protocol.parse(new File(args[1]));
    switch (args[0]) {
      case "http": {
        Responder responder = new Sensors(protocol);
        HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", 0), 0);
        server.createContext("/", exchange -> {
          List<ByteBuffer> reply = responder.respond(read(exchange.getRequestBody()));
          exchange.getResponseHeaders().set("Content-Type", "avro/binary");
          exchange.sendResponseHeaders(200, 0);
          write(reply, exchange.getResponseBody());
          exchange.close();
        });
        server.start();
        System.out.println("http://127.0.0.1:" + server.getAddress().getPort() + "/");
        break;
      }
      case "tcp": {
        SocketServer server = new SocketServer(new Sensors(protocol), new InetSocketAddress("127.0.0.1", 0));
        server.start();
        System.out.println("tcp://127.0.0.1:" + server.getPort());
        server.join();
        break;
      }
      default: {
        URI url = new URI(args[2]);
        Transceiver transceiver = url.getScheme().equals("http")
            ? new HttpTransceiver(url.toURL())
            : new SocketTransceiver(new InetSocketAddress(url.getHost(), url.getPort()));
        Schema schema = protocol.getMessages().get(args[3]).getRequest();
        Object request = new GenericDatumReader<>(schema).read(null, DecoderFactory.get().jsonDecoder(schema, args[4]));
        try {
          System.out.println(new GenericRequestor(protocol, transceiver).request(args[3], request));
        } catch (AvroRemoteException e) {
          System.out.println("error: " + e.getValue());
        }
        transceiver.close();
        System.exit(0);
      }
    }
  }
}
