// A client generated from the served contract: argv is endpoint, proxy file, trust directory, operation, values.
#include <fstream>
#include <iostream>
#include <sstream>
#include "WMProxy.nsmap"
#include "soapDelegationSoapBindingProxy.h"
#include "soapWMProxyProxy.h"

static int told(struct soap *soap) {
    struct SOAP_ENV__Detail *detail = soap->fault ? soap->fault->detail : NULL;
    wmp__BaseFaultType *fault = NULL;
    if (detail && detail->wmp__JobUnknownFault) {
        std::cout << "JobUnknownFault\n";
        fault = detail->wmp__JobUnknownFault;
    } else if (detail && detail->wmp__InvalidArgumentFault) {
        std::cout << "InvalidArgumentFault\n";
        fault = detail->wmp__InvalidArgumentFault;
    } else if (detail && detail->dlg2__DelegationException) {
        std::cout << "DelegationException\n" << *detail->dlg2__DelegationException->msg << "\n";
        return 2;
    }
    if (!fault) {
        soap_stream_fault(soap, std::cerr);
        return 1;
    }
    std::cout << soap->fault->faultcode << "\n" << fault->methodName << "\n" << fault->Timestamp << "\n";
    std::cout << *fault->ErrorCode << "\n" << *fault->Description << "\n" << fault->FaultCause.size() << "\n";
    return 2;
}

static std::string content(const char *path) {
    std::ifstream file(path);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}

int main(int, char **argv) {
    const std::string operation = argv[4];
    soap_ssl_init();
    struct soap *soap = soap_new1(SOAP_XML_STRICT | SOAP_IO_KEEPALIVE);
    if (soap_ssl_client_context(soap, SOAP_SSL_DEFAULT, argv[2], NULL, NULL, argv[3], NULL)) {
        soap_stream_fault(soap, std::cerr);
        return 1;
    }
    WMProxyProxy wmproxy(soap, argv[1]);
    DelegationSoapBindingProxy delegation(soap, argv[1]);
    if (operation == "getVersion") {
        struct wmp__getVersionResponse answer;
        if (wmproxy.getVersion(answer)) return told(soap);
        std::cout << answer.version << "\n";
    } else if (operation == "getProxyReq") {
        struct dlg2__getProxyReqResponse answer;
        if (delegation.getProxyReq(argv[5], answer)) return told(soap);
        std::cout << answer._getProxyReqReturn;
    } else if (operation == "putProxy") {
        struct dlg2__putProxyResponse answer;
        if (delegation.putProxy(argv[5], content(argv[6]), answer)) return told(soap);
    } else if (operation == "jobSubmit") {
        struct wmp__jobSubmitResponse answer;
        if (wmproxy.jobSubmit(content(argv[5]), argv[6], answer)) return told(soap);
        std::cout << answer._jobIdStruct->id << "\n" << (answer._jobIdStruct->name ? "named" : "nil") << "\n";
        std::cout << *answer._jobIdStruct->path << "\n" << answer._jobIdStruct->childrenJob.size() << "\n";
    } else if (operation == "getJobStatus") {
        struct wmp__getJobStatusResponse answer;
        if (wmproxy.getJobStatus(argv[5], answer)) return told(soap);
        std::cout << answer.JobStatusStruct->jobid << "\n" << answer.JobStatusStruct->status << "\n";
    } else if (operation == "getOutputFileList") {
        struct wmp__getOutputFileListResponse answer;
        if (wmproxy.getOutputFileList(argv[5], "https", answer)) return told(soap);
        for (const auto *file : answer._OutputFileAndSizeList->file) std::cout << file->name << " " << file->size << "\n";
    } else if (operation == "jobStart") {
        struct wmp__jobStartResponse answer;
        if (wmproxy.jobStart(argv[5], answer)) return told(soap);
    } else {
        return 3;
    }
    return 0;
}
