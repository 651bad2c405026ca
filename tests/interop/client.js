// argv: document, PEM file or -, PEM of the CAs, operation, values as JSON. Prints JSON.
const fs = require('fs');
const soap = require('soap');
// An rpc operation without parts is called with null.
const [document, pem, ca, operation, values] = process.argv.slice(2);
const options = { ca: fs.readFileSync(ca) };
if (pem !== '-') { options.key = fs.readFileSync(pem); options.cert = fs.readFileSync(pem); }
const agent = new (require('https').Agent)(options);
soap.createClient(document, (error, client) => {
  if (error) { console.error(String(error)); process.exit(1); }
  client.WMProxy.WMProxy_PortType[operation](values === '{}' ? null : JSON.parse(values), (failed, result) => {
    const fault = failed && failed.root && failed.root.Envelope.Body.Fault;
    if (fault) console.log(JSON.stringify({ faultcode: fault.faultcode, faultstring: fault.faultstring, detail: fault.detail }));
    else if (failed) { console.error(String(failed)); process.exit(1); }
    else console.log(JSON.stringify({ answer: result }));
  }, { httpsAgent: agent });
});
