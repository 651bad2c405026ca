// argv: endpoint, operation, values; the stores are properties of the JVM. Prints how Axis decoded the answer.
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.net.URL;
import java.util.Arrays;
import org.glite.wms.wmproxy.*;

public class AxisClient {
    public static void main(String[] args) throws Exception {
        WMProxy_PortType port = new WMProxyLocator().getWMProxy_PortType(new URL(args[0]));
        Object[] values = Arrays.copyOfRange(args, 2, args.length);
        for (Method method : WMProxy_PortType.class.getMethods()) {
            if (!method.getName().equals(args[1])) continue;
            if (method.getParameterCount() > values.length)
                values = new Object[] {new javax.xml.rpc.holders.LongHolder(), new javax.xml.rpc.holders.LongHolder()};
            try {
                Object answer = method.invoke(port, values);
                System.out.println(answer instanceof JobIdStructType ? ((JobIdStructType) answer).getId() : answer);
            } catch (InvocationTargetException raised) {
                BaseFaultType fault = (BaseFaultType) raised.getCause();
                String kind = fault.getClass().getSimpleName();
                System.out.println(kind.replaceAll("Type$", "") + "\n" + kind + "\n" + fault.getMethodName() + "\n"
                    + fault.getErrorCode() + "\n" + fault.getFaultCause().length);
            }
        }
    }
}
