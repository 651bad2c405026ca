// argv: document, endpoint, key store or -, trust store, operation, values. Prints how JAX-WS decoded the answer.
import java.io.FileInputStream;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.net.URL;
import java.security.KeyStore;
import java.util.Arrays;
import javax.net.ssl.*;
import javax.xml.namespace.QName;
import javax.xml.ws.BindingProvider;
import org.glite.wms.wmproxy.*;

public class JaxWsClient {
    static KeyStore store(String path) throws Exception {
        KeyStore store = KeyStore.getInstance("PKCS12");
        store.load(new FileInputStream(path), "changeit".toCharArray());
        return store;
    }

    public static void main(String[] args) throws Exception {
        KeyManager[] keys = null;
        if (!args[2].equals("-")) {
            KeyManagerFactory factory = KeyManagerFactory.getInstance("SunX509");
            factory.init(store(args[2]), "changeit".toCharArray());
            keys = factory.getKeyManagers();
        }
        TrustManagerFactory trust = TrustManagerFactory.getInstance("PKIX");
        trust.init(store(args[3]));
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(keys, trust.getTrustManagers(), null);
        HttpsURLConnection.setDefaultSSLSocketFactory(context.getSocketFactory());
        QName name = new QName("http://glite.org/wms/wmproxy", "WMProxy");
        WMProxyPortType port = new WMProxy(new URL(args[0]), name).getWMProxyPortType();
        ((BindingProvider) port).getRequestContext().put(BindingProvider.ENDPOINT_ADDRESS_PROPERTY, args[1]);
        Object[] values = Arrays.copyOfRange(args, 5, args.length);
        for (Method method : WMProxyPortType.class.getMethods()) {
            if (!method.getName().equals(args[4])) continue;
            if (method.getParameterCount() > values.length) // answers of two parts come in holders
                values = new Object[] {new javax.xml.ws.Holder<Long>(), new javax.xml.ws.Holder<Long>()};
            try {
                Object answer = method.invoke(port, values);
                System.out.println(answer instanceof JobIdStructType ? ((JobIdStructType) answer).getId() : answer);
            } catch (InvocationTargetException raised) {
                Throwable fault = raised.getCause();
                BaseFaultType info = (BaseFaultType) fault.getClass().getMethod("getFaultInfo").invoke(fault);
                System.out.println(fault.getClass().getSimpleName() + "\n" + info.getClass().getSimpleName() + "\n"
                    + info.getMethodName() + "\n" + info.getErrorCode() + "\n" + info.getFaultCause().size());
            }
        }
    }
}
