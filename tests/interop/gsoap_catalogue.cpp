// A catalogue and its client, generated from the contract.
//   catalogue serve          prints its port and answers on it: http, anonymous, like an LFC's DLI
//   catalogue ask ENDPOINT PROXY TRUST TYPE NAME
#include <iostream>
#include "DataLocationInterface.nsmap"
#include "soapDataLocationInterfaceProxy.h"
#include "soapDataLocationInterfaceService.h"

int DataLocationInterfaceService::listReplicas(
    const std::string &inputDataType, const std::string &inputData, struct dli__listReplicasResponse &answer) {
    std::cerr << inputDataType << " " << inputData << std::endl;
    static const char *replicas[] = {"srm://se.example.org:8446/a&b", "sfn://se2.example.org/b", "se3.example.org"};
    int number = inputData == "lfn:/grid/vo/three" ? 3 : inputData == "guid:none" ? 0 : -1;
    if (number < 0) return soap_receiver_fault(this->soap, "No such file", NULL);
    ArrayOfstring *list = soap_new_ArrayOfstring(this->soap);
    list->__size = number;
    list->__ptritem = soap_new_std__string(this->soap, number ? number : 1);
    for (int i = 0; i < number; i++) list->__ptritem[i] = replicas[i];
    answer.urlList = list;
    return SOAP_OK;
}

static int serve() {
    DataLocationInterfaceService service;
    service.soap->accept_timeout = 60;
    service.soap->recv_timeout = service.soap->send_timeout = 10;
    if (!soap_valid_socket(service.bind("127.0.0.1", 0, 10))) return 1;
    struct sockaddr_in name;
    socklen_t length = sizeof name;
    getsockname(service.soap->master, (struct sockaddr *)&name, &length);
    std::cout << ntohs(name.sin_port) << std::endl;
    while (soap_valid_socket(service.accept())) {
        service.serve();
        service.destroy();
    }
    return 0;
}

int main(int argc, char **argv) {
    if (argc < 7) return serve();
    soap_ssl_init();
    struct soap *soap = soap_new();
    if (soap_ssl_client_context(soap, SOAP_SSL_DEFAULT, argv[3], NULL, NULL, argv[4], NULL)) return 1;
    DataLocationInterfaceProxy catalogue(soap, argv[2]);
    struct dli__listReplicasResponse answer;
    if (catalogue.listReplicas(argv[5], argv[6], answer)) {
        std::cout << *soap_faultstring(soap) << "\n";
        return 2;
    }
    for (int i = 0; answer.urlList && i < answer.urlList->__size; i++) std::cout << answer.urlList->__ptritem[i] << "\n";
    return 0;
}
