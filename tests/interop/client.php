<?php // argv: document, proxy file or -, trust directory, operation, values. Prints JSON.
ini_set('soap.wsdl_cache_enabled', '0');
$ssl = ['capath' => $argv[3], 'verify_peer' => true, 'verify_peer_name' => true];
if ($argv[2] !== '-') { $ssl['local_cert'] = $argv[2]; $ssl['local_pk'] = $argv[2]; }
$client = new SoapClient($argv[1], ['exceptions' => true, 'stream_context' => stream_context_create(['ssl' => $ssl])]);
try {
    echo json_encode(['answer' => $client->__soapCall($argv[4], array_slice($argv, 5))]);
} catch (SoapFault $fault) {
    echo json_encode(['faultcode' => $fault->faultcode, 'faultstring' => $fault->faultstring, 'detail' => $fault->detail ?? null]);
}
